import { milliseconds, timeOfDay } from './format.js';
import { h, setText } from './dom.js';

/** Time without a new frame after which a stream counts as stalled. Red is due within 5 s. */
const STALL_MS = 3000;

/** A stream of few frames is stalled after this many of its usual intervals, the median of the last ones. */
const STALL_INTERVALS = 3;
const INTERVALS_KEPT = 5;

/**
 * Badge that advances with frames and with nothing else: it stands still when they do, and turns red after
 * STALL_MS, or later for a stream of few frames. States: `waiting`, `live`, `stalled`, `still` (no frames are
 * expected: ended, disabled).
 */
export class ProgressBadge {
  #dial = h('span.dial', { 'aria-hidden': 'true' });
  #text = h('span', {}, 'Waiting for a frame');
  #onStall;
  #key = null;
  #frame = null;
  #since = performance.now();
  #intervals = [];
  #advancedAt = null;
  #steps = 0;
  #expected = true;

  /** @param {(stalled: boolean) => void} onStall called at each change */
  constructor(onStall = () => { }) {
    this.element = h('p.badge', { 'data-state': 'waiting' }, this.#dial, this.#text);
    this.#onStall = onStall;
  }

  get stalled() { return this.element.dataset.state === 'stalled'; }

  /** Reports the newest frame; the same one again is no progress. */
  advance(epoch, frame, ageMs) {
    const key = `${epoch} ${frame}`;
    if (frame == null || key === this.#key) return;
    const now = performance.now();
    if (this.#key) this.#intervals.push(now - this.#since);
    if (this.#intervals.length > INTERVALS_KEPT) this.#intervals.shift();
    this.#since = now;
    this.#key = key;
    this.#frame = frame;
    this.#advancedAt = new Date();
    this.#dial.style.rotate = `${++this.#steps * 45}deg`;
    if (!this.#expected) return;
    this.#set('live', `Frame ${frame}${ageMs == null ? '' : ` · ${milliseconds(ageMs)} old`}`);
  }

  /** @param {?string} reason why no frames are expected now; null when they are */
  expect(reason) {
    if (reason) {
      this.#expected = false;
      this.#set('still', reason);
    } else if (!this.#expected) {
      this.#expected = true;
      this.#since = performance.now();
    }
  }

  /** Starts the time to the stall again, after frames were not requested for a while. */
  restart() {
    this.#since = performance.now();
  }

  /** Checks for a stall; called a few times a second. */
  check() {
    if (!this.#expected || performance.now() - this.#since < this.#stallAfter()) return;
    const place = this.#frame == null
      ? 'No frame yet' : `Stalled at frame ${this.#frame} · ${timeOfDay(this.#advancedAt)}`;
    this.#set('stalled', place);
  }

  #stallAfter() {
    const sorted = this.#intervals.toSorted((a, b) => a - b);
    return Math.max(STALL_MS, STALL_INTERVALS * (sorted[sorted.length >> 1] ?? 0));
  }

  #set(state, text) {
    const stalled = this.stalled;
    this.element.dataset.state = state;
    setText(this.#text, text);
    if (stalled !== this.stalled) this.#onStall(this.stalled);
  }
}
