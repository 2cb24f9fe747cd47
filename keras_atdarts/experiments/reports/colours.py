"""One colour for each operation, the same in all charts of a page.

All are legible on white and on near black. Attention is orange, as it is in the
drawings of cells.
"""

OPERATION_COLOURS = {
    "none": "#868e96",
    "max_pool_3x3": "#2f9e44",
    "avg_pool_3x3": "#82c91e",
    "skip_connect": "#e64980",
    "sep_conv_3x3": "#1c7ed6",
    "sep_conv_5x5": "#66b2ff",
    "dil_conv_3x3": "#7048e8",
    "dil_conv_5x5": "#b197fc",
    "channel_attention": "#d9480f",
    "spatial_attention": "#fab005",
    "identity": "#868e96",
}
# In turn, for all others.
OTHER_COLOURS = ("#0ca678", "#a9743b", "#15aabf", "#ae3ec9", "#c92a2a")


def operation_colours(names):
    """Returns a dict from each name to its colour, in the order of the names."""
    others = [name for name in names if name not in OPERATION_COLOURS]
    chosen = {
        name: OTHER_COLOURS[place % len(OTHER_COLOURS)]
        for place, name in enumerate(others)
    }
    return {name: (OPERATION_COLOURS | chosen)[name] for name in names}
