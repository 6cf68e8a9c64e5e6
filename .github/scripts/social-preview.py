#!/usr/bin/env python3
"""Makes the repository's social preview, a PNG of 1280 by 640 pixels as GitHub recommends.

usage: social-preview.py FILE

It needs Pillow and the DejaVu fonts (Debian: python3-pil, fonts-dejavu-core). The words are those of action.yml and of
a step that uses it.
"""

import sys

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, MARGIN = 1280, 640, 80
BACKGROUND, TEXT, DIM, PURPLE, GREEN = "#0d1117", "#f0f6fc", "#9198a1", "#a371f7", "#3fb950"
STEP = [
    [("- uses: ", DIM), ("OWNER/agent-task@v1", TEXT)],
    [("  with:", DIM)],
    [("    prompt: ", DIM), ("Prepare the release", TEXT)],
    [("    wait: ", DIM), ("true", PURPLE)],
    [("# pull-request-number: ", DIM), ("128", GREEN)],
]


def font(name, size):
    return ImageFont.truetype(f"/usr/share/fonts/truetype/dejavu/{name}.ttf", size)


picture = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
draw = ImageDraw.Draw(picture)
draw.rectangle([0, 0, 16, HEIGHT], fill=PURPLE)
draw.text((MARGIN, 70), "agent-task", font=font("DejaVuSans-Bold", 84), fill=TEXT)
draw.text((MARGIN, 186), "GitHub Copilot cloud agent tasks from a workflow:", font=font("DejaVuSans", 36), fill=DIM)
draw.text((MARGIN, 236), "one task or a thousand, started exactly once.", font=font("DejaVuSans", 36), fill=DIM)
mono = font("DejaVuSansMono", 34)
for row, line in enumerate(STEP):
    x = MARGIN
    for text, color in line:
        draw.text((x, 340 + row * 50), text, font=mono, fill=color)
        x += draw.textlength(text, font=mono)
picture.save(sys.argv[1])
