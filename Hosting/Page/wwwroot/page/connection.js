import { setNote, setText } from './dom.js';
import { timeOfDay } from './format.js';

const ANNOUNCE_MS = 500;

/** Time for which a slow connection is shown after the last sign of it. */
const SLOW_MS = 10_000;

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
  #outdated = document.getElementById('outdated');
  #pollError = null;
  #polledAt = null;
  #slowUntil = 0;
  #announced = '';

  constructor(feed) {
    feed.addEventListener('state', event => {
      this.#feed = event.detail;
      this.#update();
    });
    feed.addEventListener('frame', event => {
      if (event.detail.missed > 0) this.#slow();
      else this.#update();
    });
    document.addEventListener('slow', () => this.#slow());
  }

  /** Result of a poll; null is success. */
  polled(error) {
    this.#pollError = error;
    if (!error) this.#polledAt = new Date();
    setNote(this.#outdated, error && this.#polledAt ? `All figures are of ${timeOfDay(this.#polledAt)}.` : null);
    this.#update();
  }

  #slow() {
    this.#slowUntil = performance.now() + SLOW_MS;
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
    if (state === 'live' && performance.now() < this.#slowUntil) {
      return ['slow', 'Slow connection: frames are left out'];
    }
    return ['live', 'Connected'];
  }
}
