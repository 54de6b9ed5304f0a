import { setText } from './dom.js';

const ANNOUNCE_MS = 500;

const announcer = document.getElementById('announcer');
let pending = [];

/** Announces a change of state to screen readers; changes within ANNOUNCE_MS are one announcement. */
export function announce(text) {
  if (pending.push(text) > 1) return;
  setTimeout(() => {
    announcer.textContent = pending.join('. ');
    pending = [];
  }, ANNOUNCE_MS);
}

/** Indicator in the header: state of the live feed and of the polled figures. */
export class Connection {
  #element = document.getElementById('connection');
  #feed = { state: 'idle' };
  #pollError = null;
  #missedUntil = 0;
  #announced = '';

  constructor(feed) {
    feed.addEventListener('state', event => {
      this.#feed = event.detail;
      this.#update();
    });
    feed.addEventListener('frame', event => {
      if (event.detail.missed > 0) this.#missedUntil = performance.now() + 10_000;
      this.#update();
    });
  }

  /** Result of a poll; null is success. */
  polled(error) {
    this.#pollError = error;
    this.#update();
  }

  #update() {
    const [state, text, spoken] = this.#read();
    this.#element.dataset.state = state;
    setText(this.#element, text);
    const news = spoken ?? text;
    if (news === this.#announced) return;
    // The first good state is what everybody expects: it is not announced.
    if (this.#announced || state === 'lost') announce(news);
    this.#announced = news;
  }

  #read() {
    const { state, reason, retryMs } = this.#feed;
    if (state === 'lost') {
      const pause = `${Math.ceil(retryMs / 1000)} s`;
      return ['lost', `Connection lost (${reason}); next attempt after ${pause}`, 'Connection lost'];
    }
    if (this.#pollError) return ['lost', `No figures: ${this.#pollError.message}`, 'Connection lost'];
    if (state === 'connecting') return ['connecting', 'Connecting'];
    if (state === 'live' && performance.now() < this.#missedUntil) {
      return ['slow', 'Slow connection: frames are missed'];
    }
    return ['live', 'Connected'];
  }
}
