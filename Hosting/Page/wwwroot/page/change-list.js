import { h, setText } from './dom.js';

const CHANGES_MAX = 8;

/** List of what the refiner changed lately; a change that goes on over several frames is one entry. */
export class ChangeList {
  #entries = new Map();
  #list = h('ul.changes', { 'aria-labelledby': 'changes-title' });
  #none = h('p.muted', {}, 'The refiner has changed nothing yet.');

  constructor() {
    this.element = h('div', {}, h('h3', { id: 'changes-title' }, 'Changed by the refiner'), this.#none, this.#list);
  }

  /** @param {{key: string, kind: string, text: string}[]} changes of the frame */
  add(frame, changes) {
    for (const change of changes) {
      const entry = this.#entries.get(change.key) ?? this.#create(change, frame);
      setText(entry.text, change.text);
      setText(entry.frames, entry.first === frame ? `frame ${frame}` : `frames ${entry.first} to ${frame}`);
    }
  }

  #create({ key, kind }, first) {
    const text = h('span');
    const frames = h('span.muted');
    const item = h('li', {}, h('span.mark', { 'data-kind': kind }, kind), ' ', text, ' ', frames);
    const entry = { first, text, frames, item };
    this.#entries.set(key, entry);
    this.#list.prepend(item);
    this.#none.hidden = true;
    if (this.#entries.size > CHANGES_MAX) {
      const [oldest, { item: gone }] = this.#entries.entries().next().value;
      this.#entries.delete(oldest);
      gone.remove();
    }
    return entry;
  }
}
