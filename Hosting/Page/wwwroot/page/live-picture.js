import { decode, NewestImage } from './images.js';
import { describeScene, drawScene } from './overlay.js';
import { h, setNote } from './dom.js';
import { ProgressBadge } from './badge.js';

/** Time to load an image from which the connection counts as slow. */
const SLOW_MS = 1000;

/** Canvas with the newest provisional result of a camera, and the badge of its progress. */
export class LivePicture {
  #camera;
  #canvas;
  #note = h('p.picture-note', { hidden: true });
  #newest = new NewestImage((frame, blob) => this.#show(frame, blob));

  /** @param {(stalled: boolean) => void} [onStall] */
  constructor(camera, onStall = () => { }) {
    this.#camera = camera;
    this.#canvas = h('canvas', { role: 'img', 'aria-label': `Camera ${camera}, no frame yet`, width: 16, height: 9 });
    this.badge = new ProgressBadge(stalled => {
      this.element.classList.toggle('stalled', stalled);
      onStall(stalled);
    });
    this.element = h('div.picture', {}, this.#canvas, this.#note, this.badge.element);
  }

  /** Zones and lines on the next frames; null: none. */
  shapes = null;

  /** Text over the canvas, or null. */
  note(text) {
    setNote(this.#note, text);
  }

  /** @param {Promise<?Blob>|null} [blob] image of the frame where it is loaded already */
  offer(frame, blob) {
    this.#newest.offer({ ...frame, receivedAt: performance.now() }, blob);
  }

  async #show(frame, blob) {
    const image = await decode(blob);
    // Without its image a frame is no progress of the picture, unless images are off.
    if (!image && frame.picture) return;
    drawScene(this.#canvas, { ...frame, image, shapes: this.shapes });
    this.#canvas.dataset.frame = frame.frame;
    this.#canvas.setAttribute('aria-label', describeScene(this.#camera, frame.frame, frame));
    const loading = performance.now() - frame.receivedAt;
    if (loading > SLOW_MS) this.element.dispatchEvent(new Event('slow', { bubbles: true }));
    this.badge.advance(frame.epoch, frame.frame, frame.age_ms + loading);
  }
}
