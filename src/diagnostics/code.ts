// Makes one row of the table of codes: a typed function from details to a Diagnostic that knows its own code.

import type { Span } from '../../grammar/span.ts';
import type { Diagnostic, Label, Severity } from './diagnostic.ts';

/** What a row says about one mistake; the code, the severity and the span are added by the row. */
export interface Saying {
  readonly message: string;
  readonly label?: string | undefined;
  readonly labels?: readonly Label[] | undefined;
  readonly hint?: string | undefined;
}

export interface Code<Details extends readonly unknown[]> {
  (span: Span, ...details: Details): Diagnostic;
  readonly code: string;
  readonly severity: Severity;
  readonly title: string; // one line, for lists of codes
}

function row<Details extends readonly unknown[]>(
  severity: Severity,
  code: string,
  title: string,
  say: (...details: Details) => Saying,
): Code<Details> {
  const make = (span: Span, ...details: Details): Diagnostic => {
    const { message, label, labels, hint } = say(...details);
    return {
      code,
      severity,
      message,
      span,
      ...(label === undefined ? {} : { label }),
      ...(labels === undefined || labels.length === 0 ? {} : { labels }),
      ...(hint === undefined ? {} : { hint }),
    };
  };
  return Object.freeze(Object.assign(make, { code, severity, title }));
}

export const error = <Details extends readonly unknown[]>(
  code: string,
  title: string,
  say: (...details: Details) => Saying,
): Code<Details> => row('error', code, title, say);

export const warning = <Details extends readonly unknown[]>(
  code: string,
  title: string,
  say: (...details: Details) => Saying,
): Code<Details> => row('warning', code, title, say);

export const note = <Details extends readonly unknown[]>(
  code: string,
  title: string,
  say: (...details: Details) => Saying,
): Code<Details> => row('note', code, title, say);
