from __future__ import annotations

import base64
import io

from PIL import Image, ImageChops, ImageStat

from stalefl.report.page.image_sources import drawn_image_source


def test_a_drawn_picture_is_smaller_and_looks_the_same() -> None:
    image = Image.effect_mandelbrot((200, 200), (-2, -1.5, 1, 1.5), 50).convert("RGB")
    plain = io.BytesIO()
    image.save(plain, format="png")
    png = base64.b64decode(drawn_image_source(image.save).removeprefix("data:image/png;base64,"))
    assert len(png) < len(plain.getvalue())
    difference = ImageChops.difference(Image.open(io.BytesIO(png)).convert("RGB"), image)
    assert sum(ImageStat.Stat(difference).mean) / 3 < 2
