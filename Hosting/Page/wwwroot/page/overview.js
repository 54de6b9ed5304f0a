import { getJson } from './api.js';
import { CameraCard } from './card.js';
import { count } from './format.js';
import { h, setNote } from './dom.js';
import { poll } from './poll.js';

const FPS = 5;
const POLL_MS = 2000;
const CHECK_MS = 500;

/** Changes of the cards in view within this time are one request for the feed. */
const SCROLL_MS = 300;

/** View with a card per camera. */
export class Overview {
  title = 'Cameras';
  #feed;
  #cards = new Map();
  #list = h('div.cards');
  #note = h('p.notice', { hidden: true });
  #summary = h('p.muted');
  #observer;
  #scroll = null;

  constructor({ feed, status }) {
    this.#feed = feed;
    this.images = status?.images !== false;
    this.element = h('div', {}, h('h1', { tabindex: '-1' }, this.title), this.#summary, this.#note, this.#list);
  }

  start({ signal, polled }) {
    this.#observer = new IntersectionObserver(entries => this.#seen(entries), { rootMargin: '100px' });
    const listen = (type, action) => this.#feed.addEventListener(type, event => action(event.detail), { signal });
    listen('frame', frame => this.#cards.get(frame.camera)?.show(frame));
    listen('camera', camera => this.#cards.get(camera.name)?.update(camera));
    listen('state', ({ state }) => { if (state === 'connecting') this.#restart(); });
    const timer = setInterval(() => this.#check(), CHECK_MS);
    signal.addEventListener('abort', () => {
      clearInterval(timer);
      clearTimeout(this.#scroll);
      this.#observer.disconnect();
    });
    poll(POLL_MS, signal, async s => this.#update((await getJson('/api/v1/cameras', { signal: s })).cameras), polled);
  }

  /** Adds and removes cards, and shows the state of each; the order is the server's. */
  #update(cameras) {
    const names = new Set(cameras.map(camera => camera.name));
    for (const [name, card] of this.#cards) if (!names.has(name)) this.#remove(name, card);
    for (const camera of cameras) {
      if (!this.#cards.has(camera.name)) this.#add(camera.name);
      this.#cards.get(camera.name).update(camera);
    }
    setNote(this.#note, cameras.length ? null : 'No camera is configured.');
    const online = cameras.filter(camera => camera.state === 'online').length;
    this.#summary.textContent = `${count(online)} of ${count(cameras.length)} online`;
  }

  #add(name) {
    const card = new CameraCard(name);
    card.note(this.images ? null : 'Images are off');
    this.#cards.set(name, card);
    this.#list.append(card.element);
    this.#observer.observe(card.element);
  }

  #remove(name, card) {
    this.#observer.unobserve(card.element);
    card.element.remove();
    this.#cards.delete(name);
    this.#watch();
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const card = this.#cards.get(target.dataset.camera);
      if (card) card.visible = isIntersecting;
    }
    clearTimeout(this.#scroll);
    this.#scroll = setTimeout(() => this.#watch(), SCROLL_MS);
  }

  #watch() {
    const cameras = [...this.#cards].filter(([, card]) => card.visible).map(([name]) => name);
    this.#feed.watch({ cameras, fps: FPS, final: false });
  }

  #restart() {
    for (const card of this.#cards.values()) card.restart();
  }

  #check() {
    if (!document.hidden) for (const card of this.#cards.values()) card.check();
  }
}
