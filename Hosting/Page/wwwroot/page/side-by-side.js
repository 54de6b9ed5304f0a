import { ChangeList } from './change-list.js';
import { compare } from './refinement.js';
import { milliseconds, words } from './format.js';
import { decode, loadImage } from './images.js';
import { describeScene, drawScene } from './overlay.js';
import { h, setNote, setText } from './dom.js';
import { InStep } from './in-step.js';

/** Time without a final after which the panes explain why they are empty or stand still. */
const WAIT_MS = 5000;

/** Provisional and final result of the same frame beside each other, with what the refiner changed. */
export class SideBySide {
  #camera;
  #onPair;
  #before;
  #after;
  #changes = new ChangeList();
  #note = h('p.notice', { hidden: true });
  #pairs;
  #paused = false;
  #shownAt = performance.now();

  /** Zones and lines on the next frames; null: none. */
  shapes = null;

  /** @param {(pair: {frame: object, final: object, image: ?HTMLImageElement}) => void} onPair */
  constructor(camera, onPair) {
    this.#camera = camera;
    this.#onPair = onPair;
    this.#before = new Pane('Provisional', 'as it was published at once');
    this.#after = new Pane('Final', 'after refinement');
    this.#pairs = new InStep(loadImage, pair => this.#show(pair));
    const panes = h('div.panes', {}, this.#before.element, this.#after.element);
    this.element = h('section', { 'aria-labelledby': 'panes-title' },
      h('h2', { id: 'panes-title' }, 'Provisional and final'), this.#note, panes, this.#changes.element);
  }

  /** @returns {?Promise<?Blob>} image of the frame; null when the frame was left out */
  addFrame(frame) { return this.#pairs.addFrame(frame); }

  addFinal(final) { this.#pairs.addFinal(final); }

  /** Holds the panes at the frame that they show. */
  set paused(paused) { this.#paused = paused; }

  /** Explains a pause of the panes; called a few times a second. */
  check() {
    const late = !this.#paused && performance.now() - this.#shownAt > WAIT_MS;
    setNote(this.#note, late ? `No final result for ${WAIT_MS / 1000} s. Both panes wait for the next one.` : null);
  }

  async #show({ frame, final, image: blob }) {
    this.#shownAt = performance.now();
    if (this.#paused) return;
    const image = await decode(blob);
    const marks = compare(frame, final);
    const size = { width: frame.width, height: frame.height, image, shapes: this.shapes };
    const { tracks, regions } = frame;
    this.#before.show(this.#camera, frame.frame, { ...size, tracks, regions, marks: marks.provisional });
    this.#after.show(this.#camera, frame.frame, {
      ...size, tracks: final.tracks, regions: final.regions, marks: marks.final,
    });
    this.#after.describe(final);
    this.#changes.add(frame.frame, marks.changes);
    this.#onPair({ frame, final, image });
  }
}

/** One of the two canvases, with its caption. */
class Pane {
  #name;
  #canvas;
  #frame = h('span.frame-number', {}, 'no frame yet');
  #detail;

  constructor(name, detail) {
    this.#name = name;
    this.#detail = h('span.muted', {}, detail);
    this.#canvas = h('canvas', {
      role: 'img', 'aria-label': `${name}, no frame yet`, width: 16, height: 9, 'data-pane': name.toLowerCase(),
    });
    this.element = h('figure.pane', {}, h('div.picture', {}, this.#canvas),
      h('figcaption', {}, h('strong', {}, name), ' ', this.#frame, ' ', this.#detail));
  }

  show(camera, frame, scene) {
    drawScene(this.#canvas, scene);
    this.#canvas.dataset.frame = frame;
    this.#canvas.setAttribute('aria-label', `${this.#name}. ${describeScene(camera, frame, scene)}`);
    setText(this.#frame, `frame ${frame}`);
  }

  describe({ kind, reason, delay_ms: delay }) {
    const why = reason && reason !== 'none' ? ` (${words(reason)})` : '';
    setText(this.#detail, `${words(kind)}${why}, ${milliseconds(delay)} later`);
  }
}
