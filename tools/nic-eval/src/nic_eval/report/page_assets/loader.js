// The pictures' data: previews inside the page, exact ones beside it.

class PictureLoader {
  constructor() {
    this.exact = new Map(); // whether a picture could be loaded, by its address
  }

  // Show what the page holds of a picture: a preview, unless all pictures are in the page.
  showBlock(image, file) {
    if (image.dataset.block === file.block) return null;
    image.src = byId(file.block).textContent;
    image.dataset.block = file.block;
    return image.decode();
  }

  // Load the exact picture from beside the page; false where it is not there.
  loadExact({ exact }) {
    if (exact === null) return true;
    if (!this.exact.has(exact)) {
      const image = new Image();
      image.src = exact;
      this.exact.set(exact, image.decode().then(() => true, () => false));
    }
    return this.exact.get(exact);
  }

  showExact(image, { exact }) {
    if (exact !== null && image.getAttribute("src") !== exact) image.src = exact;
  }
}
