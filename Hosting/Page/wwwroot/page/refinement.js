import { decimal, trackName, trackNumber } from './format.js';

/**
 * What the refiner changed in a frame: marks for both panes and sentences.
 * @param {object} provisional event `frame`
 * @param {object} final event `final` of the same frame
 * @returns {{provisional: Map, final: Map, changes: {key: string, kind: string, text: string}[]}}
 */
export function compare(provisional, final) {
  const before = new Map(provisional.tracks.map(track => [track.id, track]));
  const result = { provisional: new Map(), final: new Map(), changes: [] };
  for (const track of final.tracks) addChange(result, track, before.get(track.id));
  for (const id of final.retracted ?? []) addRetraction(result, id, before.get(id));
  for (const { from, into } of final.merged ?? []) addMerge(result, from, into, before.get(from), final);
  return result;
}

function addChange({ provisional, final, changes }, track, old) {
  const name = trackName(track);
  switch (track.change) {
    case 'class':
      final.set(track.id, { kind: 'class', text: `(was ${track.was})` });
      provisional.set(track.id, { kind: 'class', text: `→ ${track.label}` });
      changes.push(change(track.id, 'class', `${name}: class was ${track.was}`));
      break;
    case 'mask':
      // The provisional contour over the final mask shows where they differ.
      final.set(track.id, { kind: 'mask', text: `(IoU ${decimal(track.iou, 2)})`, ghost: old });
      changes.push(change(track.id, 'mask', `${name}: mask changed`, `, IoU ${decimal(track.iou, 2)}`));
      break;
    case 'new':
      final.set(track.id, { kind: 'new', text: '(new)' });
      changes.push(change(track.id, 'new', `${name}: only in the final result`));
      break;
  }
}

function addRetraction({ provisional, final, changes }, id, old) {
  if (old) {
    const name = trackName(old);
    provisional.set(id, { kind: 'retracted', text: '(retracted)' });
    final.set(id, { kind: 'retracted', text: `${name} retracted`, ghost: old });
  }
  const name = old ? trackName(old) : `track ${trackNumber(id)}`;
  changes.push(change(id, 'retracted', `${name}: retracted`));
}

function addMerge({ provisional, final, changes }, from, into, old, { tracks }) {
  const number = trackNumber(into);
  if (old) provisional.set(from, { kind: 'merged', text: `→ ${number}` });
  if (tracks.some(track => track.id === into)) final.set(into, { kind: 'merged', text: `(was ${trackNumber(from)})` });
  const name = old ? trackName(old) : `track ${trackNumber(from)}`;
  changes.push(change(from, 'merged', `${name}: is track ${number}`));
}

/** Changes of one key in successive frames are one change; the figure may differ from frame to frame. */
const change = (id, kind, text, figure = '') => ({ key: `${id} ${kind} ${text}`, kind, text: text + figure });
