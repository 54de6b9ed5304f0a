import { decimal, words } from './format.js';

/** Event in words: of a zone or line with its name, else its kind. */
export function eventText({ kind, shape }) {
  switch (kind) {
    case 'track.zone_entered': return `entered ${shape.name}`;
    case 'track.zone_left': return `left ${shape.name} after ${decimal(shape.dwell_s)} s`;
    case 'track.line_crossed': return `crossed ${shape.name} ${words(shape.direction)}`;
    case 'track.zone_retracted': return `retracted: entered or left ${shape.name}`;
    case 'track.line_retracted': return `retracted: crossed ${shape.name}`;
    default: return words(kind.replace('.', ' '));
  }
}

/** Reason of an event; of one of a zone or line what it was decided on, too. */
export function reasonText({ reason, shape }) {
  if (!shape) return words(reason);
  const basis = shape.confirms ? 'final, confirms' : shape.basis;
  return reason ? `${basis}, ${words(reason)}` : basis;
}
