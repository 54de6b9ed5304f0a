import { sleep } from './poll.js';

/** Provisional frames that wait for their final; above it the oldest goes. Their images are held as JPEG. */
const HELD_MAX = 128;

/** Pairs that wait to be shown; from half of it on they are shown without a pause, above it the oldest goes. */
const READY_MAX = 16;

/** Images that are loaded at once; further frames are left out, as the connection is too slow for them. */
const LOADING_MAX = 4;

const PAUSE_MAX_MS = 500;

/** Pairs provisional and final result of the same frame, in order, and shows them at the pace of their capture. */
export class InStep {
  #load;
  #show;
  #held = new Map();
  #ready = [];
  #loading = 0;
  #busy = false;

  /**
   * @param {(path: ?string) => Promise<?Blob>} load
   * @param {(pair: {frame: object, final: object, image: ?Blob}) => Promise<void>} show
   */
  constructor(load, show) {
    this.#load = load;
    this.#show = show;
  }

  /**
   * Holds a provisional result; its image is loaded now, because the server keeps it for seconds only.
   * @returns {?Promise<?Blob>} the image; null when the frame was left out
   */
  addFrame(frame) {
    if (this.#loading >= LOADING_MAX) return null;
    this.#loading++;
    const image = this.#load(frame.picture).finally(() => { this.#loading--; });
    this.#held.set(key(frame), { frame, image });
    if (this.#held.size > HELD_MAX) this.#held.delete(this.#held.keys().next().value);
    return image;
  }

  /** Finals come in order: frames before this one, which did not get theirs, are given up. */
  addFinal(final) {
    const wanted = key(final);
    const entry = this.#held.get(wanted);
    if (!entry) return;
    for (const held of this.#held.keys()) {
      this.#held.delete(held);
      if (held === wanted) break;
    }
    this.#ready.push({ ...entry, final });
    if (this.#ready.length > READY_MAX) this.#ready.shift();
    this.#run();
  }

  async #run() {
    if (this.#busy) return;
    this.#busy = true;
    try {
      let shownAt = -Infinity;
      let captured = null;
      while (this.#ready.length) {
        const { frame, final, image } = this.#ready.shift();
        const blob = await image;
        const step = captured == null ? 0 : Date.parse(frame.captured) - captured;
        const pause = Math.min(step, PAUSE_MAX_MS) - (performance.now() - shownAt);
        if (pause > 0 && this.#ready.length < READY_MAX / 2) await sleep(pause);
        shownAt = performance.now();
        captured = Date.parse(frame.captured);
        await this.#show({ frame, final, image: blob });
      }
    } finally {
      this.#busy = false;
    }
  }
}

const key = ({ epoch, frame }) => `${epoch} ${frame}`;
