/** Photos of an issue: made small enough for the way to the gateway before they are kept. */

export const PHOTOS_MAX = 5;
export const SIDE_MAX_PX = 1600;
const QUALITY = 0.82;

/**
 * A JPEG of at most SIDE_MAX_PX on its longer side, upright as the camera meant it.
 * @param {File} file
 * @returns {Promise<Blob>} raises when the file is no picture
 */
export async function scaled(file) {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, SIDE_MAX_PX / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error(`${file.name} cannot be made a JPEG`))), "image/jpeg", QUALITY);
  });
}
