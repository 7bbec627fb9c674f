/** The standard's tests that are known to fail, by reason. A test that passes has to leave the list. */
const byReason = {
  "decodes pictures, which is not a model's business here": `
    test_image_decoder_decode_jpeg2k_rgb test_image_decoder_decode_jpeg_rgb test_image_decoder_decode_png_rgb test_image_decoder_decode_pnm_rgb
    test_image_decoder_decode_tiff_rgb`,
  'its file leaves out an epsilon that its answer has': `
    test_adam_multiple`,
  'derivatives of the model itself: filterbank/nn is for that': `
    test_gradient_of_add test_gradient_of_add_and_mul`,
}

/** The reason for each name. */
export const unsupported = new Map(
  Object.entries(byReason).flatMap(([reason, names]) =>
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, reason]),
  ),
)
