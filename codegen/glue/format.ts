// Generated TypeScript as people read it. Only for files that are written: prettier is large and takes its time.

export async function formatTypeScript(text: string): Promise<string> {
  const { format } = await import('prettier');
  return format(text, { parser: 'typescript', printWidth: 120, singleQuote: true, trailingComma: 'all' });
}
