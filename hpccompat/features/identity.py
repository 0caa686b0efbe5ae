"""Elements that differ on every node: names and serials. A rule on one selects a node, not a kind of node."""

from __future__ import annotations

from collections.abc import Mapping

IDENTITY: Mapping[str, frozenset[str]] = {
    "system.name": frozenset({"nodename"}),
    "system.dmiid": frozenset(
        {"board_asset_tag", "board_serial", "chassis_asset_tag", "chassis_serial", "product_serial", "product_uuid"}
    ),
    "usb.device": frozenset({"serial"}),
}
