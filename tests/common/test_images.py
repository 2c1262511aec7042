"""Preprocessing: pinned to torchvision, and every odd image either read rightly or refused with a sentence."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from container.common import images
from container.common.errors import BadInput, PayloadTooLarge, RequestError
from container.common.images import Geometry

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos"


def encoded(array: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth picture with edges: what a resize filter can get wrong."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    array = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).copy()
    array[height // 3 : height // 2] = 255
    return array


def by_torchvision(data: bytes, resize: int, crop: int) -> np.ndarray:
    from torchvision.transforms import CenterCrop, Resize

    picture = Image.open(io.BytesIO(data)).convert("RGB")
    return np.asarray(CenterCrop(crop)(Resize(resize)(picture)))


@pytest.mark.parametrize("shape", [(427, 640), (640, 427), (1200, 1600), (130, 193), (224, 224), (50, 999), (301, 257)])
def test_the_square_is_torchvisions_resize_and_center_crop(shape: tuple[int, int]) -> None:
    data = encoded(scene(*shape), "JPEG", quality=90)
    ours = images.prepare(data, Geometry(224))
    theirs = by_torchvision(data, 256, 224)
    assert ours.shape == (224, 224, 3)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


def test_normalization_is_torchvisions_within_one_255th() -> None:
    from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

    data = encoded(scene(427, 640), "JPEG")
    theirs = Compose([Resize(256), CenterCrop(224), ToTensor(), Normalize(images.IMAGENET_MEAN, images.IMAGENET_STD)])(
        Image.open(io.BytesIO(data))
    ).numpy()
    ours = images.normalize(images.prepare(data, Geometry(224)), images.IMAGENET_MEAN, images.IMAGENET_STD)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1 / 255 / min(images.IMAGENET_STD) + 1e-6


@pytest.mark.real
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the real photographs (../shared/data) are not here")
def test_real_photographs_too() -> None:
    from PIL import ImageOps
    from torchvision.transforms import CenterCrop, Resize

    worst = 0
    for path in sorted(PHOTOS.glob("*.jpg")):
        data = path.read_bytes()
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        theirs = np.asarray(CenterCrop(224)(Resize(256)(upright)))
        worst = max(worst, int(np.abs(images.prepare(data, Geometry(224)).astype(int) - theirs).max()))
    assert worst <= 1


def test_the_margin_holds_the_square_in_its_centre() -> None:
    for shape in ((427, 640), (301, 257), (128, 128)):
        decoded = images.decode(encoded(scene(*shape), "PNG"))
        wide = images.fit(decoded, Geometry(224), margin=True)
        assert wide.shape == (256, 256, 3)
        np.testing.assert_array_equal(images.center(wide, 224), images.fit(decoded, Geometry(224)))


def test_squash_keeps_an_image_of_the_right_size_untouched() -> None:
    array = scene(96, 96)
    np.testing.assert_array_equal(images.prepare(encoded(array, "PNG"), Geometry(96, "squash")), array)


def test_exif_orientation_is_applied() -> None:
    array = scene(300, 200)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side: turn 90° clockwise to see it upright
    plain = encoded(array, "JPEG", quality=95)
    turned = encoded(array, "JPEG", quality=95, exif=exif)
    upright = np.asarray(Image.open(io.BytesIO(plain)).rotate(-90, expand=True))
    expected = images.fit(upright, Geometry(64))
    assert np.abs(images.prepare(turned, Geometry(64)).astype(int) - expected).max() <= 2


@pytest.mark.parametrize("channels", [1, 3])
def test_odd_modes_become_plain_pixels(channels: int) -> None:
    array = scene(80, 90)
    picture = Image.fromarray(array)
    made = {
        "cmyk jpeg": (picture.convert("CMYK"), "JPEG", {}),
        "palette png": (picture.convert("P"), "PNG", {}),
        "rgba png": (picture.convert("RGBA"), "PNG", {}),
        "gray-alpha png": (picture.convert("LA"), "PNG", {}),
        "one bit png": (picture.convert("1"), "PNG", {}),
        "webp": (picture, "WEBP", {"lossless": True}),
        "bmp": (picture, "BMP", {}),
        "tiff float": (picture.convert("F"), "TIFF", {}),
    }
    expected = images.fit(array, Geometry(64, channels=channels))  # type: ignore[arg-type]
    for name, (image, kind, options) in made.items():
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        ours = images.prepare(buffer.getvalue(), Geometry(64, channels=channels))  # type: ignore[arg-type]
        assert ours.shape == (64, 64, channels), name
        if name in ("rgba png", "webp", "bmp", "cmyk jpeg"):
            assert np.abs(ours.astype(int) - expected).mean() < 3, name


def test_sixteen_bit_gray_is_scaled_and_not_clipped_to_white() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    ours = images.prepare(encoded(ramp, "PNG"), Geometry(64, "squash", channels=1))
    np.testing.assert_array_equal(ours[..., 0], (ramp >> 8).astype(np.uint8))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_gray_is_scaled_strip_by_strip_as_it_would_be_whole(dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_STRIP_PIXELS", 64 * 10)  # 64 rows are no whole number of strips
    ramp = np.linspace(0, 1 if dtype is np.float32 else 65535, 64 * 64).astype(dtype).reshape(64, 64)
    ours = images.prepare(encoded(ramp, "TIFF"), Geometry(64, "squash", channels=1))
    expected = ramp * 255 if dtype is np.float32 else ramp.astype(np.int64) >> 8
    np.testing.assert_array_equal(ours[..., 0], expected.astype(np.uint8))


def test_sixteen_bit_gray_is_set_upright_too() -> None:
    ramp = np.linspace(0, 65535, 40 * 30).astype(np.uint16).reshape(40, 30)
    exif = Image.Exif()
    exif[0x0112] = 6
    ours = images.decode(encoded(ramp, "PNG", exif=exif))
    np.testing.assert_array_equal(np.asarray(ours), np.rot90((ramp >> 8).astype(np.uint8), -1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_pillows_own(orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(scene(30, 20), "PNG", exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(np.asarray(images.decode(data)), np.asarray(expected))


def test_an_orientation_that_is_no_number_leaves_the_picture_as_it_is() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene(30, 20), "JPEG", exif=exif)
    one = b"\x01\x12\x00\x03\x00\x00\x00\x01"  # the tag, a short, one of them
    assert data.count(one) == 1
    twice = data.replace(one, one[:-1] + b"\x02")
    assert np.asarray(images.decode(twice)).shape == (30, 20, 3)


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    red = images.prepare(buffer.getvalue(), Geometry(32))
    assert tuple(red[16, 16]) == (254, 0, 0) or tuple(red[16, 16]) == (255, 0, 0)


def test_one_pixel_and_very_long_images_fill_the_square() -> None:
    for shape in ((1, 1), (1, 4000), (4000, 1), (2, 3)):
        data = encoded(np.full((*shape, 3), 77, np.uint8), "PNG")
        ours = images.prepare(data, Geometry(64))
        assert ours.shape == (64, 64, 3)
        assert (ours == 77).all()


@pytest.mark.parametrize("damage", ["empty", "text", "truncated jpeg", "truncated png", "header only", "flipped bytes"])
def test_damaged_bytes_are_refused_with_a_sentence(damage: str) -> None:
    jpeg, png = encoded(scene(200, 300), "JPEG"), encoded(scene(200, 300), "PNG")
    flipped = bytearray(png)
    flipped[60:90] = bytes(b ^ 0xFF for b in flipped[60:90])
    data = {
        "empty": b"",
        "text": b"<html>not found</html>",
        "truncated jpeg": jpeg[: len(jpeg) // 2],
        "truncated png": png[: len(png) // 2],
        "header only": jpeg[:20],
        "flipped bytes": bytes(flipped),
    }[damage]
    with pytest.raises(BadInput, match=r"\.$"):
        images.prepare(data, Geometry(64))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF"])
@pytest.mark.filterwarnings("ignore")
def test_no_byte_that_is_wrong_raises_anything_else_than_a_refusal(kind: str) -> None:
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    options = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}
    whole = np.frombuffer(encoded(scene(20, 24), kind, **options), np.uint8)
    refused = 0
    for _ in range(1000):
        damaged = whole.copy()
        damaged[rng.integers(0, min(len(whole), 400), 3)] = rng.integers(0, 256, 3)
        try:
            images.prepare(damaged.tobytes(), Geometry(16))
        except RequestError:
            refused += 1
    assert refused > 0


def test_colours_that_cannot_be_converted_are_refused() -> None:
    with pytest.raises(BadInput, match="save it as RGB"):
        images.fit(Image.new("LAB", (8, 8)), Geometry(8, channels=1))


def test_want_of_memory_is_not_the_pictures_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    for name in ("PNG", "JPEG"):
        data = encoded(scene(20, 24), name)
        with monkeypatch.context() as patch:
            patch.setattr("PIL.ImageFile.ImageFile.load", full)
            patch.setattr("simplejpeg.decode_jpeg", full)
            with pytest.raises(MemoryError):
                images.prepare(data, Geometry(16))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_images_share_the_pixels_of_their_request(kind: str) -> None:
    data = encoded(scene(1000, 1000), kind)
    budget = images.PixelBudget(2_500_000)
    for _ in range(2):
        images.prepare(data, Geometry(32), budget=budget)
    with pytest.raises(PayloadTooLarge, match=r"more than 2 million pixels in all"):
        images.prepare(data, Geometry(32), budget=budget)


def test_what_an_image_is_resized_to_counts_as_well() -> None:
    thread = encoded(scene(1, 1000), "PNG")  # 37 × 37,000 with its shorter side resized
    with pytest.raises(PayloadTooLarge, match="in all"):
        images.prepare(thread, Geometry(32), budget=images.PixelBudget(1_000_000))


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    with pytest.raises(PayloadTooLarge, match="at most 100 million"):
        images.prepare(buffer.getvalue(), Geometry(64))
    # Just above our limit and below Pillow's own
    buffer = io.BytesIO()
    Image.new("1", (10_000, 10_001)).save(buffer, "PNG")
    with pytest.raises(PayloadTooLarge, match="10000 × 10001 pixels"):
        images.prepare(buffer.getvalue(), Geometry(64))


def test_a_thread_of_an_image_is_refused_before_it_is_resized_to_gigabytes() -> None:
    thread = scene(1, 20_000)  # 256 × 5,120,000 with its shorter side resized
    with pytest.raises(PayloadTooLarge, match=r"1 × 20000|20000 × 1"):
        images.prepare(encoded(thread, "PNG"), Geometry(224))


def test_a_format_that_is_no_picture_is_not_opened() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    with pytest.raises(BadInput, match="not an image"):
        images.prepare(postscript, Geometry(64))


def test_gray_is_read_once_and_copied_by_normalization() -> None:
    pixels = images.prepare(encoded(scene(50, 50), "JPEG"), Geometry(32, channels=1))
    assert pixels.shape == (32, 32, 1)
    normal = images.normalize(pixels, (0.5, 0.5, 0.5), (0.25, 0.25, 0.5))
    assert normal.shape == (3, 32, 32)
    np.testing.assert_allclose(normal[0], normal[2] * 2)
