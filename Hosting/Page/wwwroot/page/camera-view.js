import { CameraFigures, expectNoFrames } from './camera-figures.js';
import { announce } from './connection.js';
import { EventList } from './event-list.js';
import { getJson } from './api.js';
import { h, setNote } from './dom.js';
import { LatencyBar } from './latency-bar.js';
import { LivePicture } from './live-picture.js';
import { poll } from './poll.js';
import { SideBySide } from './side-by-side.js';
import { Snapshot } from './snapshot.js';
import { SubscribeLine } from './subscribe-line.js';
import { TrackList } from './track-list.js';
import { ZoneList } from './zone-list.js';

const FPS = 5;
const POLL_MS = 2000;
const CHECK_MS = 500;

/** View of one camera: provisional and final in step, the live image, latency, tracks and events. */
export class CameraView {
  #camera;
  #feed;
  #figures = new CameraFigures();
  #live;
  #panes;
  #latency = new LatencyBar();
  #tracks;
  #events;
  #zones = new ZoneList(shapes => { this.#live.shapes = this.#panes.shapes = shapes; });
  #note = h('p.notice', { hidden: true });
  #state = null;
  #eventsMissed = true;

  constructor({ feed, camera, status }) {
    this.title = `Camera ${camera}`;
    this.#camera = camera;
    this.#feed = feed;
    this.#live = new LivePicture(camera, stalled => announce(`Camera ${camera} ${stalled ? 'stalled' : 'goes on'}`));
    this.#live.note(status.images ? null : 'Images are off');
    this.#panes = new SideBySide(camera, pair => this.#shown(pair));
    this.#tracks = new TrackList(camera);
    this.#events = new EventList(camera);
    const pause = h('button', { type: 'button', 'aria-pressed': 'false' }, 'Pause the panes');
    pause.addEventListener('click', () => this.#pause(pause));
    const tools = h('div.tools', {}, pause, this.#zones.button, status.images ? new Snapshot(camera).element : null);
    const live = h('section.live', { 'aria-labelledby': 'live-title' },
      h('h2', { id: 'live-title' }, 'Live'), this.#live.element, this.#figures.element);
    this.element = h('div', {}, h('h1', { tabindex: '-1' }, this.title), this.#note, tools,
      h('div.camera-top', {}, this.#panes.element, live),
      h('div.columns', {}, this.#latency.element, new SubscribeLine(status, camera).element),
      h('div.columns', {}, this.#tracks.element, this.#events.element), this.#zones.element);
  }

  start({ signal, polled }) {
    const listen = (type, action) => this.#feed.addEventListener(type, event => action(event.detail), { signal });
    listen('frame', frame => this.#addFrame(frame));
    listen('final', final => { if (final.camera === this.#camera) this.#panes.addFinal(final); });
    listen('camera', camera => { if (camera.name === this.#camera) this.#update(camera); });
    listen('event', event => this.#events.add(event));
    listen('state', ({ state }) => {
      if (state === 'connecting') this.#live.badge.restart();
      if (state !== 'live') this.#eventsMissed = true;
    });
    const timer = setInterval(() => this.#check(), CHECK_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
    poll(POLL_MS, signal, s => this.#load(s), polled);
    this.#feed.watch({ cameras: [this.#camera], fps: FPS, final: true });
  }

  async #load(signal) {
    const { cameras } = await getJson('/api/v1/cameras', { signal });
    const camera = cameras.find(({ name }) => name === this.#camera);
    setNote(this.#note, camera ? null : `There is no camera "${this.#camera}".`);
    if (!camera) return;
    this.#update(camera);
    await this.#tracks.load(signal);
    if (!this.#eventsMissed) return;
    // Events before the feed is open do not come by it: it is open first.
    this.#eventsMissed = this.#feed.state !== 'live';
    await this.#events.load(signal);
  }

  #addFrame(frame) {
    if (frame.camera !== this.#camera) return;
    const image = this.#panes.addFrame(frame);
    if (image) this.#live.offer(frame, image);
  }

  #shown(pair) {
    this.#latency.add(pair);
    this.#tracks.addPair(pair);
  }

  #update(camera) {
    this.#figures.update(camera);
    this.#zones.update(camera);
    this.#live.badge.expect(expectNoFrames(camera));
    if (this.#state && this.#state !== camera.state) announce(`Camera ${this.#camera} is ${camera.state}`);
    this.#state = camera.state;
  }

  #pause(button) {
    const paused = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', paused);
    this.#panes.paused = paused;
  }

  #check() {
    if (document.hidden) return;
    this.#live.badge.check();
    this.#panes.check();
  }
}
