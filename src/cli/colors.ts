// Colours for what goes to stderr: where a person reads it, or FORCE_COLOR asks for them; never with NO_COLOR.

import picocolors from 'picocolors';

export const wantsColor = (): boolean =>
  !process.env['NO_COLOR'] && (Boolean(process.env['FORCE_COLOR']) || (process.stderr.isTTY ?? false));

export const colors = picocolors.createColors(wantsColor());
