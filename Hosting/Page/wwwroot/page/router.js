/** Address of a camera's view. */
export const cameraHref = name => `#/camera/${encodeURIComponent(name)}`;

/**
 * View that the address names.
 * @returns {{view: 'overview' | 'camera' | 'system', camera: ?string}}
 */
export function readRoute(hash) {
  const [, view, name] = hash.split('/');
  if (view === 'camera' && name) return { view, camera: decode(name) };
  return { view: view === 'system' ? view : 'overview', camera: null };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
