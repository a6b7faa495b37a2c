"""The pages' style sheet, made of the house's tokens: light or dark as the viewer's device asks.

Plans, cameras' pictures and the calendar are sheets of paper that look the same in both: a colour means the same number
whoever looks, and on paper.
"""

from __future__ import annotations

from collections.abc import Mapping

from branchloop import theme


def _tokens(values: Mapping[str, str]) -> str:
    return "".join(f"--bl-{name}: {value};" for name, value in values.items())


PALES_S = 5.0
"""What is drawn again by itself pales only after this, for a page shall not flicker each time it asks."""

CSS = f"""<style>
:root {{ {_tokens(theme.LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_tokens(theme.DARK)} }} }}
.block-container {{ max-width: 1200px; padding-top: 2.5rem; }}
@media (max-width: 768px) {{ .block-container {{ padding-top: 4.5rem; }} }}
[data-testid="stSidebar"][data-collapsed="true"] {{ visibility: hidden;
  transition: transform 300ms, min-width 300ms, max-width 300ms, visibility 0s 300ms; }}
.block-container h1 {{ font-size: 28px; font-weight: 600; padding: 0 0 8px; }}
.bl-row {{ display: flex; flex-wrap: wrap; gap: 12px; }}
.bl-tile {{ flex: 1 1 140px; border: 1px solid var(--bl-hairline); border-radius: 8px; padding: 12px 16px;
  font-variant-numeric: tabular-nums; background: var(--bl-paper); }}
.bl-label {{ font-size: 14px; color: var(--bl-ink); }}
.bl-tile, .bl-light, .block-container h1 {{ overflow-wrap: anywhere; }}
.bl-value {{ font-size: 40px; line-height: 48px; font-weight: 600; white-space: nowrap; color: var(--bl-ink); }}
.bl-value small {{ font-size: 14px; font-weight: 400; }}
[class*="st-key-by-itself"] [data-stale="true"] {{ transition-delay: {PALES_S:g}s !important; }}
.bl-stale .bl-value {{ color: var(--bl-muted); }}
.bl-bar {{ height: 3px; background: var(--bl-hairline); border-radius: 2px; margin-top: 4px; }}
.bl-bar span {{ display: block; height: 3px; background: var(--bl-accent); border-radius: 2px; }}
.bl-note {{ font-size: 12px; color: var(--bl-muted); margin-top: 4px; }}
.bl-taint {{ font-size: 12px; color: var(--bl-warn); margin-top: 4px; }}
.bl-change {{ font-size: 12px; margin-top: 4px; }}
.bl-swatch {{ display: inline-block; width: 28px; height: 10px; border: 1px solid var(--bl-hairline); border-radius: 2px; }}
.bl-ribbon {{ border-left: 4px solid var(--bl-warn); padding: 4px 12px; font-size: 14px; color: var(--bl-warn);
  margin: 4px 0 12px; }}
.bl-light {{ font-size: 14px; padding: 2px 0; }}
.bl-good {{ color: var(--bl-good); }} .bl-warn {{ color: var(--bl-warn); }}
.bl-bad {{ color: var(--bl-bad); }} .bl-muted {{ color: var(--bl-muted); }}
.bl-table {{ border-collapse: collapse; font-size: 14px; width: 100%; font-variant-numeric: tabular-nums; }}
.bl-table th, .bl-table td {{ text-align: right; padding: 4px 6px; border-bottom: 1px solid var(--bl-hairline);
  font-weight: 400; }}
.bl-table th:first-child {{ text-align: left; min-width: 6em; }}
.bl-table tbody th {{ overflow-wrap: anywhere; }}
.bl-table td {{ white-space: nowrap; }}
.bl-scroll {{ overflow-x: auto; }}
.bl-table thead th {{ color: var(--bl-muted); font-size: 12px; }}
.bl-legend {{ max-width: 420px; margin: 8px 0 16px; font-size: 12px; color: var(--bl-ink); }}
.bl-legend-bar {{ height: 8px; border-radius: 4px; }}
.bl-legend-ticks {{ display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }}
.bl-wrap td {{ white-space: normal; }}
.bl-verdict {{ border: 1px solid var(--bl-hairline); border-left: 4px solid; border-radius: 8px; padding: 12px 16px;
  margin: 0 0 12px; color: var(--bl-ink); }}
.bl-verdict p {{ font-size: 20px; line-height: 28px; font-weight: 600; margin: 0; }}
.bl-verdict ul {{ margin: 4px 0 0; padding-left: 28px; font-size: 14px; }}
.bl-good-edge {{ border-left-color: var(--bl-good); }} .bl-warn-edge {{ border-left-color: var(--bl-warn); }}
.bl-bad-edge {{ border-left-color: var(--bl-bad); }} .bl-muted-edge {{ border-left-color: var(--bl-muted); }}
.bl-word {{ font-size: 20px; line-height: 48px; font-weight: 600; color: var(--bl-ink); }}
.bl-alert {{ font-size: 14px; padding: 4px 0 8px; border-bottom: 1px solid var(--bl-hairline); color: var(--bl-ink); }}
.bl-swatches {{ display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 12px; color: var(--bl-ink); }}
.bl-swatches i {{ display: inline-block; width: 20px; height: 12px; margin-right: 6px; border-radius: 2px;
  border: 1px solid var(--bl-hairline); vertical-align: -1px; }}
button[data-variant="segmented_control"] p {{ color: var(--bl-ink) !important; }}
.bl-faults {{ font-size: 14px; margin: 4px 0 8px; color: var(--bl-ink); }} .bl-faults code {{ color: var(--bl-ink); }}
.stButton button {{ min-height: 44px; }}
.bl-head {{ font-size: 16px; font-weight: 600; margin: 16px 0 8px; color: var(--bl-ink); }}
</style>"""
