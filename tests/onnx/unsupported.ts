/** The standard's tests that are known to fail, each with the reason. A test that passes has to leave the list. */
export const unsupported: Record<string, string> = {
  test_identity_opt: 'sequences and optional values',
  test_identity_sequence: 'sequences and optional values',
  test_image_decoder_decode_jpeg2k_rgb: "decodes pictures, which is not a model's business here",
  test_image_decoder_decode_jpeg_rgb: "decodes pictures, which is not a model's business here",
  test_image_decoder_decode_png_rgb: "decodes pictures, which is not a model's business here",
  test_image_decoder_decode_pnm_rgb: "decodes pictures, which is not a model's business here",
  test_image_decoder_decode_tiff_rgb: "decodes pictures, which is not a model's business here",
}
