import { getBlob } from './api.js';

/**
 * JPEG of a frame that the live feed has announced.
 * @returns {Promise<?Blob>} null when there is none: images are off, or the server does not have it any more
 */
export async function loadImage(path, signal) {
  if (!path) return null;
  try {
    return await getBlob(path, { signal });
  } catch {
    return null;
  }
}

/** Decoded image of a blob, or null; its owner closes it. */
export async function decode(blob) {
  if (!blob) return null;
  const url = URL.createObjectURL(blob);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return image;
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * Shows the newest frame: one image is loaded at a time, and of the frames that come meanwhile the last waits.
 */
export class NewestImage {
  #show;
  #next = null;
  #busy = false;

  /** @param {(frame: object, blob: ?Blob) => Promise<void>} show */
  constructor(show) {
    this.#show = show;
  }

  /** @param {Promise<?Blob>|null} blob image of the frame where it is loaded already */
  async offer(frame, blob = null) {
    this.#next = { frame, blob };
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#next) {
        const current = this.#next;
        this.#next = null;
        await this.#show(current.frame, await (current.blob ?? loadImage(current.frame.picture)));
      }
    } finally {
      this.#busy = false;
    }
  }
}
