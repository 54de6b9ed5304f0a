import { cameraPath, getBlob } from './api.js';
import { download, h, setNote } from './dom.js';

/** Button that downloads the newest frame as JPEG. */
export class Snapshot {
  #camera;
  #overlay = h('input', { type: 'checkbox', checked: true });
  #button = h('button', { type: 'button', onclick: () => this.#save() }, 'Save snapshot');
  #error = h('p.notice.bad', { role: 'alert', hidden: true });

  constructor(camera) {
    this.#camera = camera;
    this.element = h('div.snapshot', {}, this.#button,
      h('label', {}, this.#overlay, ' with masks'), this.#error);
  }

  async #save() {
    this.#button.disabled = true;
    setNote(this.#error, null);
    try {
      const overlay = this.#overlay.checked ? 1 : 0;
      const blob = await getBlob(cameraPath(this.#camera, `snapshot.jpg?overlay=${overlay}`));
      download(blob, `${this.#camera}-${new Date().toISOString().replaceAll(':', '')}.jpg`);
    } catch (error) {
      setNote(this.#error, `No snapshot: ${error.message}`);
    } finally {
      this.#button.disabled = false;
    }
  }
}
