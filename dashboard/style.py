"""The pages' style sheet, made of the house's tokens."""

from __future__ import annotations

from branchloop import theme

CSS = f"""<style>
.block-container {{ max-width: 1200px; padding-top: 2.5rem; }}
.block-container h1 {{ font-size: 28px; font-weight: 600; padding: 0 0 8px; }}
.bl-row {{ display: flex; flex-wrap: wrap; gap: 12px; }}
.bl-tile {{ flex: 1 1 140px; border: 1px solid {theme.HAIRLINE}; border-radius: 8px; padding: 12px 16px;
  font-variant-numeric: tabular-nums; background: {theme.PAPER}; }}
.bl-label {{ font-size: 14px; color: {theme.INK}; }}
.bl-value {{ font-size: 40px; line-height: 48px; font-weight: 600; white-space: nowrap; color: {theme.INK}; }}
.bl-value small {{ font-size: 14px; font-weight: 400; }}
.bl-stale .bl-value {{ color: {theme.MUTED}; }}
.bl-bar {{ height: 3px; background: {theme.HAIRLINE}; border-radius: 2px; margin-top: 4px; }}
.bl-bar span {{ display: block; height: 3px; background: {theme.ACCENT}; border-radius: 2px; }}
.bl-note {{ font-size: 12px; color: {theme.MUTED}; margin-top: 4px; }}
.bl-taint {{ font-size: 12px; color: {theme.WARN}; margin-top: 4px; }}
.bl-change {{ font-size: 12px; margin-top: 4px; }}
.bl-swatch {{ display: inline-block; width: 28px; height: 10px; border: 1px solid {theme.HAIRLINE}; border-radius: 2px; }}
.bl-ribbon {{ border-left: 4px solid {theme.WARN}; padding: 4px 12px; font-size: 14px; color: {theme.WARN};
  margin: 4px 0 12px; }}
.bl-light {{ font-size: 14px; padding: 2px 0; }}
.bl-good {{ color: {theme.GOOD}; }} .bl-warn {{ color: {theme.WARN}; }}
.bl-bad {{ color: {theme.BAD}; }} .bl-muted {{ color: {theme.MUTED}; }}
.bl-table {{ border-collapse: collapse; font-size: 14px; width: 100%; font-variant-numeric: tabular-nums; }}
.bl-table th, .bl-table td {{ text-align: right; padding: 4px 6px; border-bottom: 1px solid {theme.HAIRLINE};
  font-weight: 400; }}
.bl-table th:first-child {{ text-align: left; min-width: 4.5em; }}
.bl-table td {{ white-space: nowrap; }}
.bl-table thead th {{ color: {theme.MUTED}; font-size: 12px; }}
.bl-legend {{ max-width: 420px; margin: 8px 0 16px; font-size: 12px; color: {theme.INK}; }}
.bl-legend-bar {{ height: 8px; border-radius: 4px; }}
.bl-legend-ticks {{ display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }}
.bl-wrap td {{ white-space: normal; }}
.bl-verdict {{ border: 1px solid {theme.HAIRLINE}; border-left: 4px solid; border-radius: 8px; padding: 12px 16px;
  margin: 0 0 12px; color: {theme.INK}; }}
.bl-verdict p {{ font-size: 20px; line-height: 28px; font-weight: 600; margin: 0; }}
.bl-verdict ul {{ margin: 4px 0 0; padding-left: 28px; font-size: 14px; }}
.bl-good-edge {{ border-left-color: {theme.GOOD}; }} .bl-warn-edge {{ border-left-color: {theme.WARN}; }}
.bl-bad-edge {{ border-left-color: {theme.BAD}; }} .bl-muted-edge {{ border-left-color: {theme.MUTED}; }}
.bl-word {{ font-size: 20px; line-height: 48px; font-weight: 600; color: {theme.INK}; }}
.bl-alert {{ font-size: 14px; padding: 4px 0 8px; border-bottom: 1px solid {theme.HAIRLINE}; color: {theme.INK}; }}
.bl-swatches {{ display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 12px; color: {theme.INK}; }}
.bl-swatches i {{ display: inline-block; width: 20px; height: 12px; margin-right: 6px; border-radius: 2px;
  border: 1px solid {theme.HAIRLINE}; vertical-align: -1px; }}
button[data-variant="segmented_control"] p {{ color: {theme.INK} !important; }}
.bl-faults {{ font-size: 14px; margin: 4px 0 8px; color: {theme.INK}; }} .bl-faults code {{ color: {theme.INK}; }}
.stButton button {{ min-height: 44px; }}
.bl-head {{ font-size: 16px; font-weight: 600; margin: 16px 0 8px; color: {theme.INK}; }}
</style>"""
