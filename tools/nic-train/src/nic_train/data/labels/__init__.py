"""Label maps, which give each pixel a class: folders of PNG files, and COCO's JSON files.

Whatever the source, class 0 is void and the classes count up from it without gaps.
"""
