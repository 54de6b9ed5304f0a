import { getJson } from './api.js';
import { eventText, reasonText } from './event-text.js';
import { moment, NONE, percent, trackNumber } from './format.js';
import { h, scrollTable } from './dom.js';

const EVENTS_MAX = 100;

/** Last events of a camera and its tracks, newest first. */
export class EventList {
  #camera;
  #rows = new Map();
  #body = h('tbody');

  constructor(camera) {
    this.#camera = camera;
    const columns = ['Time', 'Event', 'Track', 'Label', 'Score', 'Frame', 'Reason'];
    this.element = h('section', { 'aria-labelledby': 'events-title' },
      h('h2', { id: 'events-title' }, 'Events'), scrollTable('Last 100 events', columns, this.#body));
  }

  /** Reads the last events; those that came by the feed meanwhile stay. */
  async load(signal) {
    const path = `/api/v1/events?camera=${encodeURIComponent(this.#camera)}`;
    const { events } = await getJson(path, { signal });
    for (const event of events.toReversed()) this.add(event);
  }

  add(event) {
    if (event.camera !== this.#camera || this.#rows.has(event.id)) return;
    const cells = [
      moment(event.time), eventText(event), event.track ? trackNumber(event.track) : NONE,
      event.label ?? NONE, percent(event.score), event.frame ?? NONE, reasonText(event),
    ];
    const row = h('tr', { 'data-time': event.time }, ...cells.map(cell => h('td', {}, cell)));
    // Almost always the first row: an event is rarely older than those that are shown.
    const older = [...this.#body.rows].find(other => other.dataset.time <= event.time);
    this.#body.insertBefore(row, older ?? null);
    this.#rows.set(event.id, row);
    this.#trim();
  }

  #trim() {
    if (this.#rows.size <= EVENTS_MAX) return;
    const last = this.#body.lastChild;
    last.remove();
    for (const [id, row] of this.#rows) if (row === last) this.#rows.delete(id);
  }
}
