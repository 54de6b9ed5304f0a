import { request } from './api.js';
import { readEvents } from './sse.js';
import { sleep } from './poll.js';

const PAUSES_MS = [500, 1000, 2000, 4000, 8000, 15_000];

/** The server sends each camera's status every second; a connection that is silent for longer is dead. */
const SILENCE_MS = 5000;

/** A connection that lasted this long resets the pause between attempts. */
const STABLE_MS = 10_000;

/**
 * Live feed of the server: one connection for the cameras in view, opened again after a loss.
 * Events `frame`, `final`, `camera`, `event` carry the server's data as detail; `state` carries
 * `{ state: 'idle' | 'connecting' | 'live' | 'lost', reason, retryMs }`. Closed while the tab is hidden.
 */
export class LiveFeed extends EventTarget {
  #path = null;
  #abort = new AbortController();
  #state = 'idle';

  constructor() {
    super();
    document.addEventListener('visibilitychange', () => this.#restart());
  }

  get state() { return this.#state; }

  /** @param {?{cameras: string[], fps: number, final: boolean}} wanted null: nothing */
  watch(wanted) {
    const path = wanted?.cameras.length ? livePath(wanted) : null;
    if (path === this.#path) return;
    this.#path = path;
    this.#restart();
  }

  #restart() {
    this.#abort.abort();
    if (!this.#path || document.hidden) {
      this.#report('idle');
      return;
    }
    this.#abort = new AbortController();
    this.#run(this.#path, this.#abort.signal);
  }

  async #run(path, signal) {
    let attempt = 0;
    // Another choice of cameras is no loss of the connection.
    if (this.#state !== 'live') this.#report('connecting');
    while (!signal.aborted) {
      const opened = performance.now();
      const reason = await this.#read(path, signal).catch(error => error.message);
      if (signal.aborted) return;
      if (performance.now() - opened > STABLE_MS) attempt = 0;
      const pause = PAUSES_MS[Math.min(attempt++, PAUSES_MS.length - 1)];
      // Up to a quarter is random, so that many viewers do not return in the same instant.
      const retryMs = pause * (1 + Math.random() / 4);
      this.#report('lost', { reason, retryMs });
      await sleep(retryMs, signal);
    }
  }

  /** Reads one connection to its end and returns why it ended. */
  async #read(path, signal) {
    const silence = new AbortController();
    let timer = null;
    const restart = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new Error(`nothing received for ${SILENCE_MS / 1000} s`)), SILENCE_MS);
    };
    try {
      const response = await request(path, { signal: AbortSignal.any([signal, silence.signal]) });
      restart();
      let reason = 'the server closed the connection';
      for await (const { type, data } of readEvents(response.body, restart)) {
        if (signal.aborted) return null;
        if (this.#state !== 'live') this.#report('live');
        if (type === 'bye') reason = data.reason;
        else this.dispatchEvent(new CustomEvent(type, { detail: data }));
      }
      return reason;
    } finally {
      clearTimeout(timer);
    }
  }

  #report(state, detail = {}) {
    this.#state = state;
    this.dispatchEvent(new CustomEvent('state', { detail: { state, ...detail } }));
  }
}

function livePath({ cameras, fps, final }) {
  const names = cameras.map(encodeURIComponent).join(',');
  return `/api/v1/live?cameras=${names}&fps=${fps}${final ? '&final=1' : ''}`;
}
