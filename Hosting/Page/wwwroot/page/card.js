import { CameraFigures, expectNoFrames } from './camera-figures.js';
import { h } from './dom.js';
import { cameraHref } from './router.js';
import { LivePicture } from './live-picture.js';
import { announce } from './connection.js';

/** Card of a camera in the overview. */
export class CameraCard {
  #name;
  #figures = new CameraFigures();
  #picture;
  #state = null;
  #visible = false;

  constructor(name) {
    this.#name = name;
    this.#picture = new LivePicture(name, stalled => announce(`Camera ${name} ${stalled ? 'stalled' : 'goes on'}`));
    const id = `camera-${name}`;
    const link = h('a', { href: cameraHref(name) }, name);
    this.element = h('article.card', { 'aria-labelledby': id, 'data-camera': name },
      this.#picture.element, h('h2', { id }, link), this.#figures.element);
    this.#picture.element.addEventListener('click', () => link.click());
  }

  /** @param {object} camera as in /api/v1/cameras */
  update(camera) {
    this.#figures.update(camera);
    if (this.#state && this.#state !== camera.state) announce(`Camera ${this.#name} is ${camera.state}`);
    this.#state = camera.state;
    this.#picture.badge.expect(expectNoFrames(camera));
    // Out of view no images come; the camera's own frame number is the progress then.
    if (!this.#visible) this.#picture.badge.advance(camera.epoch, camera.last_frame, camera.last_frame_age_ms);
  }

  /** @param {object} frame event `frame` */
  show(frame) {
    this.#picture.offer(frame);
  }

  set visible(visible) {
    if (visible && !this.#visible) this.restart();
    this.#visible = visible;
  }

  get visible() { return this.#visible; }

  restart() { this.#picture.badge.restart(); }

  check() { this.#picture.badge.check(); }

  note(text) { this.#picture.note(text); }
}
