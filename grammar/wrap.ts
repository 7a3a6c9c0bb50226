// Pieces of one statement -> its lines. A break is taken where it is forced, or where what follows up to the next break
// of the same or a looser level would not fit; continuation lines begin under what the innermost bracket opened, if that
// is in the left half of the page.

export const columns = 120;

export type Piece =
  | string
  | { readonly kind: 'break'; readonly level: number; readonly forced: boolean } // a blank unless taken
  | { readonly kind: 'open' } // continuation lines begin in this column
  | { readonly kind: 'close' };

/** `start` is the column of the first piece, `hanging` the column of lines that continue outside of brackets. */
export function wrap(pieces: readonly Piece[], start: number, hanging: number): readonly string[] {
  const lines: string[] = [];
  const under: number[] = [];
  let line = '';
  let indent = start;
  for (const [index, piece] of pieces.entries()) {
    if (typeof piece === 'string') line += piece;
    else if (piece.kind === 'open') {
      const column = indent + line.length;
      under.push(column <= columns / 2 ? column : (under.at(-1) ?? hanging)); // no staircase at the right margin
    } else if (piece.kind === 'close') under.pop();
    else if (piece.forced || indent + line.length + 1 + widthAfter(pieces, index, piece.level) > columns) {
      lines.push(' '.repeat(indent) + line);
      [line, indent] = ['', under.at(-1) ?? hanging];
    } else line += ' ';
  }
  return [...lines, ' '.repeat(indent) + line];
}

/** Width on one line of what stands between a break and the next one that matters to it. */
function widthAfter(pieces: readonly Piece[], index: number, level: number): number {
  let width = 0;
  for (let next = index + 1; next < pieces.length; next++) {
    const piece = pieces[next]!;
    if (typeof piece === 'string') width += piece.length;
    else if (piece.kind === 'break') {
      if (piece.forced || piece.level <= level) return width;
      width += 1;
    }
  }
  return width;
}
