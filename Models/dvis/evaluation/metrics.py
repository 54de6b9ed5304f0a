"""Average precision as COCO and YouTube-VIS define it, and the stability of slots."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

THRESHOLDS = np.arange(0.5, 1.0, 0.05)
CONFIDENT = 0.5     # class score from which a query counts as an object
OVERLAP = 0.5       # mask IoU from which it is the object


@dataclass
class Overlaps:
    """Input of all measures for one video: T frames, Q slots, N objects."""
    scores: np.ndarray    # float [T,Q,K]: class probabilities per frame
    common: np.ndarray    # float [T,Q,N]: pixels of slot and object
    predicted: np.ndarray      # float [T,Q]: pixels of the slot
    true: np.ndarray      # float [T,N]: pixels of the object (0 = not visible)
    labels: np.ndarray    # int [N]
    # float [T,Q]: further pixels of the slot, in what is neither object nor background
    ignored: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Whether at least half of a slot's mask in a frame is not ignored, bool [T,Q]."""
        return self.ignored <= self.predicted

    @property
    def video_counts(self) -> np.ndarray:
        """Whether at least half of a slot's tube is not ignored, bool [Q]."""
        return self.ignored.sum(0) <= self.predicted.sum(0)

    @property
    def iou(self) -> np.ndarray:
        """Mask IoU in every frame [T,Q,N]."""
        either = self.predicted[..., None] + self.true[:, None] - self.common
        return self.common / np.maximum(either, 1)

    @property
    def video_iou(self) -> np.ndarray:
        """IoU of whole tubes [Q,N]: pixels of all frames together."""
        common = self.common.sum(0)
        either = self.predicted.sum(0)[:, None] + self.true.sum(0)[None] - common
        return common / np.maximum(either, 1)


class Precision:
    """Average precision over classes and IoU thresholds of scored answers."""

    def __init__(self, best: int):
        self.best = best
        self.videos = 0
        # Class -> (score, video, hit per threshold).
        self.answers: dict[int, list[tuple[float, int, np.ndarray]]] = {}
        # Class -> the video of each object.
        self.objects: dict[int, list[int]] = {}

    def add(self, scores: np.ndarray, iou: np.ndarray, labels: np.ndarray) -> None:
        """Adds one image or video: class scores [Q,K], IoU [Q,N], classes of the N objects.

        The best (query, class) pairs count."""
        for label in labels:
            self.objects.setdefault(int(label), []).append(self.videos)
        order = np.argsort(-scores, axis=None, kind="stable")[:self.best]
        taken: dict[int, np.ndarray] = {}
        for query, label in zip(*np.unravel_index(order, scores.shape)):
            same = np.flatnonzero(labels == label)
            used = taken.setdefault(int(label), np.zeros((len(THRESHOLDS), len(same)), bool))
            hits = np.zeros(len(THRESHOLDS), bool)
            for index, threshold in enumerate(THRESHOLDS):
                free = np.where(used[index], -1.0, iou[query, same])
                if free.size and free.max() >= threshold:
                    used[index, free.argmax()] = hits[index] = True
            self.answers.setdefault(int(label),
                                    []).append((float(scores[query, label]), self.videos, hits))
        self.videos += 1

    def result(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """AP over all thresholds and AP50, in percent; classes without objects do not count.

        `weights`: how often each video counts."""
        weights = np.ones(self.videos) if weights is None else weights
        curves = [self._curve(self.answers.get(label, []), weights[videos].sum(), weights)
                  for label, videos in self.objects.items() if weights[videos].any()]
        if not curves:
            return {"ap": 0.0, "ap50": 0.0}
        mean = np.mean(curves, 0)
        return {"ap": 100 * float(mean.mean()), "ap50": 100 * float(mean[0])}

    @staticmethod
    def _curve(answers: list[tuple[float, int, np.ndarray]], objects: float,
               weights: np.ndarray) -> np.ndarray:
        if not answers:
            return np.zeros(len(THRESHOLDS))
        answers = sorted(answers, key=lambda answer: -answer[0])
        often = weights[[video for _, video, _ in answers]]
        hits = np.cumsum(often[:, None] * [hit for _, _, hit in answers], 0)
        recall, precision = hits / objects, hits / np.maximum(np.cumsum(often), 1)[:, None]
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        wanted = np.linspace(0, 1, 101)
        result = np.zeros(len(THRESHOLDS))
        for index in range(len(THRESHOLDS)):
            place = np.searchsorted(recall[:, index], wanted - 1e-9)
            result[index] = np.append(precision[:, index], 0)[place].mean()
        return result


def ahead(later: Precision, former: Precision, samples: int = 1000) -> dict[str, list[float]]:
    """95 % interval of the lead of `later` over `former` on the same videos.

    Paired bootstrap over the videos, in points of AP and AP50."""
    random = np.random.default_rng(0)
    gains: dict[str, list[float]] = {"ap": [], "ap50": []}
    for _ in range(samples):
        weights = np.bincount(random.integers(later.videos, size=later.videos),
                              minlength=later.videos).astype(float)
        with_, without = later.result(weights), former.result(weights)
        for name, values in gains.items():
            values.append(with_[name] - without[name])
    return {name: [round(float(bound), 2) for bound in np.percentile(values, (2.5, 97.5))]
            for name, values in gains.items()}


@dataclass
class Holding:
    """Counts of how slots hold objects over many videos."""
    linked: int = 0          # object seen in two neighbouring frames by the same slot
    seen_twice: int = 0      # ... by any slots
    visible_twice: int = 0   # object visible in two neighbouring frames
    returned: int = 0        # found by the same slot after a gap
    gaps: int = 0            # gaps after which it was found at all
    visible: int = 0         # objects visible, over all frames
    missed: int = 0          # without a confident slot
    doubled: int = 0         # with two or more

    def add(self, video: Overlaps) -> None:
        confidence = video.scores.max(-1)
        finds = (video.iou >= OVERLAP) & (confidence >= CONFIDENT)[..., None]           # [T,Q,N]
        shown = video.true > 0
        count = np.where(shown, finds.sum(1), 0)
        # [T,N], the most confident
        holder = np.where(count > 0, np.where(finds, confidence[..., None], -1).argmax(1), -1)
        both = shown[1:] & shown[:-1]
        seen = both & (holder[1:] >= 0) & (holder[:-1] >= 0)
        self.visible_twice += int(both.sum())
        self.seen_twice += int(seen.sum())
        self.linked += int((seen & (holder[1:] == holder[:-1])).sum())
        self.visible += int(shown.sum())
        self.missed += int((shown & (count == 0)).sum())
        self.doubled += int((count >= 2).sum())
        for n in range(holder.shape[1]):
            last, hidden = -1, False
            for t in range(len(holder)):
                if not shown[t, n]:
                    hidden = True
                elif holder[t, n] >= 0:
                    if hidden and last >= 0:
                        self.gaps += 1
                        self.returned += int(holder[t, n] == last)
                    last, hidden = holder[t, n], False

    def result(self) -> dict[str, float]:
        share = lambda part, whole: part / whole if whole else 0.0
        return {"link": share(self.linked, self.seen_twice),
                "link_strict": share(self.linked, self.visible_twice),
                "reidentified": share(self.returned, self.gaps), "gaps": self.gaps,
                "duplicates": share(self.doubled, self.visible),
                "missed": share(self.missed, self.visible)}
