"""The classes of COCO's panoptic task, and which class a category of one of COCO's JSON files is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Category:
    """A category of COCO's panoptic task.

    id, name: as in panoptic_coco_categories.json. merged: ids of the categories of COCO's stuff files that it unites;
    the other categories have the same id in the stuff or instances files as here.
    """

    id: int
    name: str
    is_thing: bool = False
    merged: tuple[int, ...] = ()


# Kirillov et al., Panoptic Segmentation, CVPR 2019; what was merged is said at https://cocodataset.org/#panoptic-eval.
PANOPTIC = (
    Category(1, "person", is_thing=True),
    Category(2, "bicycle", is_thing=True),
    Category(3, "car", is_thing=True),
    Category(4, "motorcycle", is_thing=True),
    Category(5, "airplane", is_thing=True),
    Category(6, "bus", is_thing=True),
    Category(7, "train", is_thing=True),
    Category(8, "truck", is_thing=True),
    Category(9, "boat", is_thing=True),
    Category(10, "traffic light", is_thing=True),
    Category(11, "fire hydrant", is_thing=True),
    Category(13, "stop sign", is_thing=True),
    Category(14, "parking meter", is_thing=True),
    Category(15, "bench", is_thing=True),
    Category(16, "bird", is_thing=True),
    Category(17, "cat", is_thing=True),
    Category(18, "dog", is_thing=True),
    Category(19, "horse", is_thing=True),
    Category(20, "sheep", is_thing=True),
    Category(21, "cow", is_thing=True),
    Category(22, "elephant", is_thing=True),
    Category(23, "bear", is_thing=True),
    Category(24, "zebra", is_thing=True),
    Category(25, "giraffe", is_thing=True),
    Category(27, "backpack", is_thing=True),
    Category(28, "umbrella", is_thing=True),
    Category(31, "handbag", is_thing=True),
    Category(32, "tie", is_thing=True),
    Category(33, "suitcase", is_thing=True),
    Category(34, "frisbee", is_thing=True),
    Category(35, "skis", is_thing=True),
    Category(36, "snowboard", is_thing=True),
    Category(37, "sports ball", is_thing=True),
    Category(38, "kite", is_thing=True),
    Category(39, "baseball bat", is_thing=True),
    Category(40, "baseball glove", is_thing=True),
    Category(41, "skateboard", is_thing=True),
    Category(42, "surfboard", is_thing=True),
    Category(43, "tennis racket", is_thing=True),
    Category(44, "bottle", is_thing=True),
    Category(46, "wine glass", is_thing=True),
    Category(47, "cup", is_thing=True),
    Category(48, "fork", is_thing=True),
    Category(49, "knife", is_thing=True),
    Category(50, "spoon", is_thing=True),
    Category(51, "bowl", is_thing=True),
    Category(52, "banana", is_thing=True),
    Category(53, "apple", is_thing=True),
    Category(54, "sandwich", is_thing=True),
    Category(55, "orange", is_thing=True),
    Category(56, "broccoli", is_thing=True),
    Category(57, "carrot", is_thing=True),
    Category(58, "hot dog", is_thing=True),
    Category(59, "pizza", is_thing=True),
    Category(60, "donut", is_thing=True),
    Category(61, "cake", is_thing=True),
    Category(62, "chair", is_thing=True),
    Category(63, "couch", is_thing=True),
    Category(64, "potted plant", is_thing=True),
    Category(65, "bed", is_thing=True),
    Category(67, "dining table", is_thing=True),
    Category(70, "toilet", is_thing=True),
    Category(72, "tv", is_thing=True),
    Category(73, "laptop", is_thing=True),
    Category(74, "mouse", is_thing=True),
    Category(75, "remote", is_thing=True),
    Category(76, "keyboard", is_thing=True),
    Category(77, "cell phone", is_thing=True),
    Category(78, "microwave", is_thing=True),
    Category(79, "oven", is_thing=True),
    Category(80, "toaster", is_thing=True),
    Category(81, "sink", is_thing=True),
    Category(82, "refrigerator", is_thing=True),
    Category(84, "book", is_thing=True),
    Category(85, "clock", is_thing=True),
    Category(86, "vase", is_thing=True),
    Category(87, "scissors", is_thing=True),
    Category(88, "teddy bear", is_thing=True),
    Category(89, "hair drier", is_thing=True),
    Category(90, "toothbrush", is_thing=True),
    Category(92, "banner"),
    Category(93, "blanket"),
    Category(95, "bridge"),
    Category(100, "cardboard"),
    Category(107, "counter"),
    Category(109, "curtain"),
    Category(112, "door-stuff"),
    Category(118, "floor-wood"),
    Category(119, "flower"),
    Category(122, "fruit"),
    Category(125, "gravel"),
    Category(128, "house"),
    Category(130, "light"),
    Category(133, "mirror-stuff"),
    Category(138, "net"),
    Category(141, "pillow"),
    Category(144, "platform"),
    Category(145, "playingfield"),
    Category(147, "railroad"),
    Category(148, "river"),
    Category(149, "road"),
    Category(151, "roof"),
    Category(154, "sand"),
    Category(155, "sea"),
    Category(156, "shelf"),
    Category(159, "snow"),
    Category(161, "stairs"),
    Category(166, "tent"),
    Category(168, "towel"),
    Category(171, "wall-brick"),
    Category(175, "wall-stone"),
    Category(176, "wall-tile"),
    Category(177, "wall-wood"),
    Category(178, "water-other"),
    Category(180, "window-blind"),
    Category(181, "window-other"),
    Category(184, "tree-merged", merged=(94, 97, 129, 169)),
    Category(185, "fence-merged", merged=(99, 113, 146)),
    Category(186, "ceiling-merged", merged=(102, 103)),
    Category(187, "sky-other-merged", merged=(106, 120, 157)),
    Category(188, "cabinet-merged", merged=(98, 108)),
    Category(189, "table-merged", merged=(110, 165)),
    Category(190, "floor-other-merged", merged=(114, 115, 117)),
    Category(191, "pavement-merged", merged=(116, 140)),
    Category(192, "mountain-merged", merged=(127, 135)),
    Category(193, "grass-merged", merged=(124, 134, 163)),
    Category(194, "dirt-merged", merged=(111, 136)),
    Category(195, "paper-merged", merged=(137, 139)),
    Category(196, "food-other-merged", merged=(121, 153, 170)),
    Category(197, "building-other-merged", merged=(96, 158)),
    Category(198, "rock-merged", merged=(150, 162)),
    Category(199, "wall-other-merged", merged=(172, 173, 174)),
    Category(200, "rug-merged", merged=(101, 131, 152)),
)
"""In the order of their classes, 1 to 133.

Of the stuff files' categories thirteen are in none of these, and void: cloth, clothes, furniture-other, ground-other,
metal, plant-other, plastic, solid-other, structural-other, textile-other, waterdrops, wood, and "other", which stands
for the things.
"""

_NAMES = {category.id: category.name for category in PANOPTIC}
_HIGHEST = max(_NAMES)


@dataclass(frozen=True)
class ClassList:
    """Which class a category is. 0 is void, the others count from 1.

    classes: how many, void included. numbers: class by category id. things: ids of the categories with instances.
    """

    classes: int
    numbers: Mapping[int, int]
    things: frozenset[int]


def class_list(categories: Iterable[Mapping[str, Any]]) -> ClassList:
    """Return the classes of a dataset with these categories, as the JSON files of COCO's form list them.

    COCO's own categories, panoptic, stuff or things, are the 133 of the panoptic task. Those of any other dataset are
    classes in the order of their ids; they are things, unless "isthing" is 0. KeyError where a category lacks its id
    or name.
    """
    found = {category["id"]: category for category in categories}
    named = [number for number in found if number in _NAMES]
    if named and max(found) <= _HIGHEST and all(found[number]["name"] == _NAMES[number] for number in named):
        return _coco(found)
    numbers = {number: position for position, number in enumerate(sorted(found), 1)}
    things = frozenset(number for number, category in found.items() if category.get("isthing", 1))
    return ClassList(len(found) + 1, numbers, things)


def _coco(ids: Iterable[int]) -> ClassList:
    numbers = dict.fromkeys(ids, 0)
    for position, category in enumerate(PANOPTIC, 1):
        numbers |= dict.fromkeys((category.id, *category.merged), position)
    return ClassList(len(PANOPTIC) + 1, numbers, frozenset(category.id for category in PANOPTIC if category.is_thing))
