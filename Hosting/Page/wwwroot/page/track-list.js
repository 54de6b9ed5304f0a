import { getJson } from './api.js';
import { h, setText } from './dom.js';
import { percent, timeOfDay, trackName, words } from './format.js';

const SPAN_MS = 60_000;
const THUMBNAIL_PX = 48;
const THUMBNAIL_MS = 1000;

/** Tracks of a camera, with a thumbnail each and their lives over the last minute. */
export class TrackList {
  #camera;
  #rows = new Map();
  #end = 0;
  #none = h('p.muted', {}, 'No tracks in the last minute.');
  #list = h('ul.tracks', { 'aria-labelledby': 'tracks-title' });
  #axis = h('div.axis', { 'aria-hidden': 'true' }, h('span', {}, '60 s ago'), h('span', {}, 'now'));

  constructor(camera) {
    this.#camera = camera;
    this.element = h('section', { 'aria-labelledby': 'tracks-title' },
      h('h2', { id: 'tracks-title' }, 'Tracks'), this.#none,
      h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': 'List of tracks' }, this.#list), this.#axis);
  }

  async load(signal) {
    const path = `/api/v1/tracks?camera=${encodeURIComponent(this.#camera)}`;
    const { tracks } = await getJson(path, { signal });
    this.#show(tracks);
  }

  /** Takes thumbnails from the image of a frame. The time of the newest frame is the end of the time axis. */
  addPair({ frame, final, image }) {
    this.#end = Math.max(this.#end, Date.parse(frame.captured));
    for (const track of final.tracks) {
      const row = this.#rows.get(track.id);
      if (row && image && track.box) row.takeThumbnail(image, frame, track);
    }
  }

  #show(tracks) {
    const newest = Math.max(0, ...tracks.map(track => Date.parse(track.last_seen)));
    this.#end = Math.max(this.#end, newest);
    const ids = new Set(tracks.map(track => track.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    // Newest first, as the server sends them; a row that is in its place is not moved.
    tracks.forEach((track, index) => {
      const row = this.#rows.get(track.id) ?? new TrackRow();
      this.#rows.set(track.id, row);
      row.update(track, this.#end);
      if (this.#list.children[index] !== row.element) {
        this.#list.insertBefore(row.element, this.#list.children[index] ?? null);
      }
    });
    this.#none.hidden = tracks.length > 0;
    this.#axis.hidden = tracks.length === 0;
  }
}

class TrackRow {
  #canvas = h('canvas.thumbnail', { width: THUMBNAIL_PX, height: THUMBNAIL_PX, 'aria-hidden': 'true' });
  #name = h('strong');
  #detail = h('span.muted');
  #life = h('span.life');
  #takenAt = -Infinity;

  constructor() {
    this.element = h('li', {}, this.#canvas, h('div.track-text', {}, this.#name, this.#detail),
      h('div.lane', { 'aria-hidden': 'true' }, this.#life));
  }

  update(track, end) {
    const first = Date.parse(track.first_seen);
    const last = Date.parse(track.last_seen);
    const seconds = Math.round((last - first) / 1000);
    setText(this.#name, trackName(track));
    const life = `${seconds} s from ${timeOfDay(track.first_seen)}`;
    setText(this.#detail, `${words(track.state)} ${percent(track.score)}, ${life}`);
    const left = Math.max(0, 1 - (end - first) / SPAN_MS);
    const right = Math.max(left, Math.min(1, 1 - (end - last) / SPAN_MS));
    // A track that has just begun is visible, too.
    this.#life.style.left = `min(${left * 100}%, 100% - 3px)`;
    this.#life.style.width = `${(right - left) * 100}%`;
    this.#life.dataset.state = track.state;
    this.element.dataset.track = track.id;
  }

  /** Square around the box, from an image that may be smaller than the frame. */
  takeThumbnail(image, frame, track) {
    const now = performance.now();
    if (now - this.#takenAt < THUMBNAIL_MS) return;
    this.#takenAt = now;
    const [x, y, width, height] = track.box;
    const scale = image.naturalWidth / frame.width;
    const side = Math.max(width, height, 8) * scale * 1.1;
    const left = (x + width / 2) * scale - side / 2;
    const top = (y + height / 2) * scale - side / 2;
    const context = this.#canvas.getContext('2d');
    context.clearRect(0, 0, THUMBNAIL_PX, THUMBNAIL_PX);
    context.drawImage(image, left, top, side, side, 0, 0, THUMBNAIL_PX, THUMBNAIL_PX);
    this.#life.style.backgroundColor = track.color;
  }
}
