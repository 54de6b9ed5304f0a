"""Still parts of a street: hills and a road behind the objects, a brick wall before them."""
from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

FINER = 4     # samples per pixel of the road, along either axis


def backdrop(spec: dict, photographs: dict[str, Image.Image], size: tuple[int, int],
             scale: float) -> np.ndarray:
    """Hills and road, float32 RGB [h,w,3]; `size` is height and width, `scale` pixels per unit."""
    hills = photographs[spec["hills"]].convert("RGB").resize(size[::-1], Image.LANCZOS)
    hills = hills.filter(ImageFilter.GaussianBlur(spec["blur"] * scale))
    image = np.asarray(hills, np.float32).copy()
    _pave(image, spec["road"], photographs[spec["road"]["texture"]].convert("L"), scale)
    return image


def _pave(image: np.ndarray, road: dict, texture: Image.Image, scale: float) -> None:
    """Draws a road from edge to edge in perspective: its rows lie 1 / (row - horizon) away."""
    top, bottom, horizon = (road[key] for key in ("top", "bottom", "horizon"))
    first, last = int(top * scale), min(image.shape[0], int(bottom * scale) + 1)
    rows = (np.arange((last - first) * FINER) + 0.5) / FINER / scale + first / scale
    columns = (np.arange(image.shape[1] * FINER) + 0.5) / FINER / scale
    away = (bottom - horizon) / (rows - horizon)
    stones = np.asarray(texture, np.float32) / 255
    u = np.abs(columns[None, :] - columns.mean()) * away[:, None] * road["grain"]
    v = away[:, None] * road["depth"]
    light = stones[_mirrored(v, stones.shape[0]), _mirrored(u, stones.shape[1])]
    tone = 1 + road["contrast"] * (light - 0.5)
    colour = np.asarray(road["colour"], np.float32) * tone[..., None]
    for line in road["lines"]:
        painted = np.abs(rows - line["row"]) < line["width"] / 2
        along = (columns[None, :] - columns.mean()) * away[:, None] % line.get("period", 1)
        colour[painted[:, None] & (along < line.get("dash", 1))] = line["colour"]
    paved = (rows >= top) & (rows < bottom)
    cover = np.broadcast_to(paved[:, None, None], colour.shape[:2] + (1,))
    colour, cover = _reduced(colour * cover), _reduced(cover.astype(np.float32))
    image[first:last] = image[first:last] * (1 - cover) + colour


def wall(spec: dict, photographs: dict[str, Image.Image], size: tuple[int, int], scale: float,
         margin: tuple[float, float]) -> np.ndarray:
    """Wall and pillar, float32 RGBA [h,w,4], colours multiplied by alpha.

    The margin (down, right) lies between the image's corner and the origin of the boxes, in units.
    """
    down, right = (round(value * scale) for value in margin)
    bricks = _bricks(spec["bricks"], photographs[spec["bricks"]["texture"]].convert("L"), scale)
    concrete = np.asarray(photographs[spec["concrete"]["texture"]].convert("L"), np.float32) / 255
    image = np.zeros((*size, 4), np.float32)
    for part in spec["parts"]:
        box = [round(value * scale) for value in part["box"]]
        left, top = max(0, box[0] + right), box[1] + down
        stop, floor = min(size[1], box[2] + right), min(size[0], box[3] + down)
        rows, columns = np.arange(floor - top), np.arange(stop - left)
        if part["of"] == "bricks":
            stones = _tiled(bricks, rows, columns)
        else:
            fine = _tiled(concrete, rows / scale * 2, columns / scale * 2)
            stones = np.asarray(spec["concrete"]["colour"]) * (0.85 + 0.3 * fine)[..., None]
        stones = stones * np.linspace(*part["shade"], len(columns))[None, :, None]
        if "shadow" in part:
            fall = np.exp(-(rows + 0.5) / (part["shadow"] * scale))
            stones = stones * (1 - 0.55 * fall)[:, None, None]
        image[top:floor, left:stop, :3] = stones
        image[top:floor, left:stop, 3] = 1
    return image


def _bricks(spec: dict, texture: Image.Image, scale: float) -> np.ndarray:
    """The bricks inside the photograph's quadrilateral in level courses, float32 RGB [h,w,3]."""
    height, width = (max(1, round(value * scale)) for value in spec["size"])
    corners = [value for point in spec["quad"] for value in point]
    flat = texture.transform((width * FINER, height * FINER), Image.QUAD, corners, Image.BICUBIC)
    light = _reduced(np.asarray(flat, np.float32)[..., None] / 255)
    dark, bright = np.asarray(spec["brick"], np.float32), np.asarray(spec["mortar"], np.float32)
    share = np.clip((light - spec["from"]) / (spec["to"] - spec["from"]), 0, 1)
    grain = 1 + 1.5 * (light - light.mean()) * (1 - share)
    # Bricks differ in tone: a slow wave over the courses stands for the kiln.
    rows, columns = np.mgrid[:height, :width] / scale
    tone = 1 + 0.10 * np.sin(rows // spec["course"] * 2.4 + columns // (3.3 * spec["course"]) * 1.7)
    return dark * grain * tone[..., None] * (1 - share) + bright * share


def _tiled(texture: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The texture at every pair of a row and a column, repeated back and forth."""
    down, right = _mirrored(rows, texture.shape[0]), _mirrored(columns, texture.shape[1])
    return texture[down[:, None], right]


def _reduced(fine: np.ndarray) -> np.ndarray:
    """Means of FINER x FINER samples."""
    height, width = fine.shape[0] // FINER, fine.shape[1] // FINER
    return fine.reshape(height, FINER, width, FINER, -1).mean((1, 3), dtype=np.float32)


def _mirrored(position: np.ndarray, length: int) -> np.ndarray:
    """Indices into a texture that is repeated back and forth."""
    index = np.floor(position).astype(np.int64) % (2 * length)
    return np.where(index < length, index, 2 * length - 1 - index)
