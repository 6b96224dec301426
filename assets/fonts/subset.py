"""Makes the two font files beside this script from Inter 3.19 (Debian: fonts-inter).

Figures are swapped for Inter's own tabular ones ('tnum'), because egui asks a font for no features; then only the
scripts and signs that the window uses are kept. Run: python3 subset.py /usr/share/fonts/opentype/inter
"""
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

KEEP = [*range(0x20, 0x180), *range(0x370, 0x400), *range(0x2010, 0x2040), *range(0x2070, 0x20a0),
        *range(0x2190, 0x21a0), 0x2032, 0x2122, 0x2206, 0x2211, 0x2212, 0x221a, 0x221e, 0x2248, 0x2260, 0x2264, 0x2265]

for weight in ("Regular", "SemiBold"):
    font = TTFont(Path(sys.argv[1]) / f"Inter-{weight}.otf")
    gsub = font["GSUB"].table
    swap = {}
    for record in gsub.FeatureList.FeatureRecord:
        if record.FeatureTag == "tnum":
            for index in record.Feature.LookupListIndex:
                for table in gsub.LookupList.Lookup[index].SubTable:
                    swap.update(getattr(table, "ExtSubTable", table).mapping)
    for table in font["cmap"].tables:
        for code in range(ord("0"), ord("9") + 1):
            if code in table.cmap:
                table.cmap[code] = swap.get(table.cmap[code], table.cmap[code])  # tables share their maps
    options = subset.Options(layout_features=["kern", "ccmp", "mark", "mkmk"], name_IDs=["*"], hinting=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=KEEP)
    subsetter.subset(font)
    font.save(Path(__file__).parent / f"Inter-{weight}.otf")
