"""Pictures from files: every way they can be bad is named with the file, or read rightly."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from kptdata.errors import FileError, OptionError
from kptdata.transforms import Geometry, Photo, read_image, read_reduced, warped


@pytest.fixture
def ramp():
    """A smooth picture that differs from its mirror images, height 40, width 60."""
    y, x = np.mgrid[:40, :60]
    return np.stack([x * 4, y * 6, (x + y) * 2], axis=-1).astype(np.uint8)


@pytest.fixture
def jpeg(tmp_path, ramp):
    path = tmp_path / "ramp.jpg"
    Image.fromarray(ramp).save(path, quality=95)
    return path


def test_missing(tmp_path):
    with pytest.raises(FileError, match=r"none\.jpg: no such image.*check the folder of images"):
        read_image(tmp_path / "none.jpg")


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(FileError, match="no such image"):
        read_image(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"])
def test_corrupt(tmp_path, content):
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"bad\.jpg: not an image"):
        read_image(path)


@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_cut_off(jpeg, kept, rng):
    Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(jpeg)
    data = jpeg.read_bytes()
    jpeg.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(FileError, match=r"ramp\.jpg: a JPEG file that stops before its end"):
        read_image(jpeg)


def test_bytes_after_the_end_are_no_harm(jpeg):
    whole = read_image(jpeg)
    jpeg.write_bytes(jpeg.read_bytes() + bytes(500))
    np.testing.assert_array_equal(read_image(jpeg), whole)


def test_one_pixel(tmp_path):
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "one.png")
    np.testing.assert_array_equal(read_image(tmp_path / "one.png"), [[[9, 8, 7]]])


def test_grey(tmp_path, ramp):
    Image.fromarray(ramp[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), ramp[..., [0, 0, 0]])


def test_sixteen_bits(tmp_path, ramp):
    import cv2

    cv2.imwrite(str(tmp_path / "deep.png"), ramp[..., 0].astype(np.uint16) * 257)
    found = read_image(tmp_path / "deep.png")
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - ramp[..., [0, 0, 0]]).max() <= 1


def test_alpha_is_left_out(tmp_path, ramp):
    Image.fromarray(np.dstack([ramp, ramp[..., :1]])).save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.png"), ramp)


def test_cmyk(tmp_path, ramp):
    Image.fromarray(ramp).convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    found = read_image(tmp_path / "print.jpg")
    assert found.shape == ramp.shape
    assert np.abs(found.astype(int) - ramp).mean() < 8


@pytest.mark.parametrize("turn", [3, 6, 8])
def test_a_note_to_turn_the_picture_is_not_followed(tmp_path, ramp, jpeg, turn):
    noted = Image.Exif()
    noted[274] = turn
    Image.fromarray(ramp).save(tmp_path / "turned.jpg", quality=95, exif=noted)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.jpg"), read_image(jpeg))


def test_huge(tmp_path):
    """A header that states more pixels than OpenCV reads: an error with the name, no crash."""
    path = tmp_path / "huge.pgm"
    path.write_bytes(b"P5 60000 60000 255\n" + bytes(64))
    with pytest.raises(FileError, match=r"huge\.pgm: not an image that OpenCV can read"):
        read_image(path)


def test_long_but_readable(tmp_path):
    Image.new("L", (40_000, 3), 200).save(tmp_path / "long.png")
    assert read_image(tmp_path / "long.png").shape == (3, 40_000, 3)


@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
def test_reduced_pictures_lie_where_their_matrix_says(tmp_path, ramp, reduction):
    wide = np.asarray(Image.fromarray(ramp).resize((480, 320), Image.Resampling.BILINEAR))
    Image.fromarray(wide).save(tmp_path / "wide.jpg", quality=98)
    picture = read_reduced(tmp_path / "wide.jpg", reduction)
    assert picture.image.shape == (320 // reduction, 480 // reduction, 3)
    y, x = np.mgrid[2 : 320 // reduction - 2, 2 : 480 // reduction - 2]
    stored = (np.stack([x, y], -1) - picture.matrix[:, 2]) / np.diag(picture.matrix)
    low, part = np.floor(stored).astype(int), stored % 1
    expected = sum(
        wide[low[..., 1] + j, low[..., 0] + i].astype(float)
        * (np.where(i, part[..., :1], 1 - part[..., :1]))
        * (np.where(j, part[..., 1:], 1 - part[..., 1:]))
        for i in (0, 1)
        for j in (0, 1)
    )
    assert np.abs(picture.image[2:-2, 2:-2] - expected).mean() < 1.2


def test_reductions_are_those_of_jpeg(jpeg):
    with pytest.raises(OptionError, match=r"reduction: expected one of \(1, 2, 4, 8\), got 3"):
        read_reduced(jpeg, 3)


@pytest.mark.parametrize(
    ("scale", "reduction"), [(3.0, 1), (0.51, 1), (0.5, 2), (0.26, 2), (0.25, 4), (0.01, 8)]
)
def test_a_photo_is_decoded_no_coarser_than_the_crop(tmp_path, ramp, scale, reduction):
    wide = Image.fromarray(ramp).resize((480, 320), Image.Resampling.BILINEAR)
    wide.save(tmp_path / "wide.jpg", quality=98, progressive=True)
    photo = Photo(tmp_path / "wide.jpg")
    assert photo.size_wh == (480, 320)
    picture = photo.picture(scale)
    assert picture.image.shape == (320 // reduction, 480 // reduction, 3)
    assert picture.image is photo.picture(scale).image
    expected = read_reduced(tmp_path / "wide.jpg", reduction)
    np.testing.assert_array_equal(picture.image, expected.image)
    np.testing.assert_array_equal(picture.matrix, expected.matrix)
    wide.save(tmp_path / "wide.png")
    assert Photo(tmp_path / "wide.png").picture(scale).image.shape == (320, 480, 3)


def test_a_damaged_photo_is_named(jpeg):
    jpeg.write_bytes(jpeg.read_bytes()[:-200])
    with pytest.raises(FileError, match=jpeg.name):
        Photo(jpeg).picture(1.0)


@pytest.mark.parametrize("angle", [0, 30])
def test_a_reduced_crop_is_where_the_whole_one_is(tmp_path, rng, angle):
    """A smooth picture, so that decoding at half the size loses next to nothing."""
    small = rng.integers(0, 256, (8, 12, 3)).astype(np.uint8)
    smooth = Image.fromarray(small).resize((960, 640), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "smooth.jpg", quality=98)
    turn, shrink = np.deg2rad(angle), 0.24
    matrix = shrink * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift = np.array([[115.0], [80.0]]) - matrix @ np.array([[480.0], [320.0]])
    geometry = Geometry(np.hstack([matrix, shift]), (960, 640), (230, 160))
    photo = Photo(tmp_path / "smooth.jpg")
    assert photo.picture(shrink).image.shape == (160, 240, 3)
    inside = geometry.image(np.full((640, 960), 255, np.uint8)) == 255
    inside[[0, 1, -1, -2]] = inside[:, [0, 1, -1, -2]] = False
    gap = warped(photo, geometry).astype(int) - geometry.image(read_image(tmp_path / "smooth.jpg"))
    assert np.abs(gap[inside]).mean() < 1.0
    moved = Geometry(geometry.matrix + np.array([[0, 0, 1.0], [0, 0, 0]]), (960, 640), (230, 160))
    other = warped(photo, moved).astype(int) - geometry.image(read_image(tmp_path / "smooth.jpg"))
    assert np.abs(other[inside]).mean() > 2.0  # one pixel of the crop beside
