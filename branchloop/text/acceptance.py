"""Words of acceptance reports: (English, 中文)."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "acceptance": ("Acceptance report", "验收报告"),
    "acceptance.of": ("Acceptance report of {branch}", "{branch} 验收报告"),
    "acceptance.pass": ("passed", "通过"),
    "acceptance.fail": ("not passed", "未通过"),
    "acceptance.undecided": ("undecided: not proved", "未定：尚未证明达标"),
    "acceptance.of_lines": (
        "{verdict} ({counted} of {lines} lines)",
        "{verdict}（{lines} 条计数线中的 {counted} 条）",
    ),
    "acceptance.stated": ("no limit set", "未设限值"),
    "acceptance.summary": (
        "{passed} of {limited} limits are kept with 95 % certainty.",
        "{limited} 项限值中，{passed} 项以 95% 置信度达标。",
    ),
    "acceptance.summary_none": ("No limit was set.", "未设定限值。"),
    "acceptance.made": ("measured on", "测量日期"),
    "acceptance.expires": ("valid until", "有效期至"),
    "acceptance.by": ("measured by", "测量人"),
    "acceptance.config": ("configuration", "配置"),
    "acceptance.config_value": ("version {version}, {hash}", "版本 {version}，{hash}"),
    "acceptance.software": ("software", "软件"),
    "acceptance.detector": ("detector", "检测模型"),
    "acceptance.note": ("remark", "备注"),
    "acceptance.not_counted": ("lines not counted by hand, in no figure", "未人工计数的计数线（不计入结果）"),
    "acceptance.not_timed": (
        "zones whose visits nobody timed, in no figure",
        "未人工计时的区域（不计入结果）",
    ),
    "acceptance.figures": ("Figures", "测量结果"),
    "acceptance.figure": ("figure", "指标"),
    "acceptance.value": ("measured", "测得值"),
    "acceptance.interval": ("95 % interval", "95% 置信区间"),
    "acceptance.limit": ("limit", "限值"),
    "acceptance.sample": ("rests on", "样本量"),
    "acceptance.needed": ("would need {value}", "需要 {value}"),
    "acceptance.result": ("result", "结论"),
    "acceptance.cameras": ("Calibration", "标定"),
    "acceptance.residual": ("residual", "残差"),
    "acceptance.measured_on": ("marks measured on", "标定日期"),
    "acceptance.age": ("age", "时长"),
    "acceptance.days": ("{value} days", "{value} 天"),
    "acceptance.method": ("How it was measured", "测量方法"),
    "acceptance.evidence": ("Files it rests on", "依据文件"),
    "acceptance.file": ("file", "文件"),
    "acceptance.signature": ("Signature", "签名"),
    "acceptance.key": ("key", "签名密钥"),
    "acceptance.digest": ("report", "报告摘要"),
    "acceptance.verify": (
        "This page is a copy for reading. What counts is the signed file; check it with "
        "“branchloop acceptance verify”.",
        "本页仅供阅读，以签名文件为准；请用“branchloop acceptance verify”核验。",
    ),
    "acceptance.unmeasured": ("not measured", "未测得"),
    "acceptance.all_lines": ("all lines", "全部计数线"),
    "acceptance.how.bootstrap": (
        "{what}: 95 % intervals by circular block bootstrap over time, blocks of {block} {unit}, {draws} draws, seed {seed}",
        "{what}：95% 置信区间采用时间循环分块自助法，每块 {block} {unit}，抽样 {draws} 次，随机种子 {seed}",
    ),
    "acceptance.how.none": (
        "{what}: no interval; the recording is too short, or the grid holds no windows",
        "{what}：无置信区间（录像过短，或热力文件不含时间窗）",
    ),
    "acceptance.how.short": (
        "{what}: no interval; whoever is missed is missed for the whole stay, so blocks are of {block} s here, and five are"
        " needed: a recording of {minutes} min or more would do",
        "{what}：无置信区间。漏检的人在其整个停留期间都被漏检，故此处每块取 {block} 秒，且至少需要五块：录像须达 {minutes} 分钟以上",
    ),
    "acceptance.how.some_frames": (
        "tracking: the truth has labels on some frames only; those between are in no figure",
        "跟踪：真值仅标注了部分帧，其间各帧不计入任何指标",
    ),
    "acceptance.how.without_truth": (
        "tracking: {frames} frames without truth have tracks and are judged as empty, the longest stretch {first} to {last}"
        " of {name}; if nobody labelled these, the figures do not hold",
        "跟踪：{frames} 帧无真值但有轨迹，按无人评判，最长一段为 {name} 的第 {first} 至 {last} 帧；若这些帧并未标注，则指标不成立",
    ),
    "acceptance.how.outside": (
        "heatmap: {places} labelled places lie outside the recording and are in no figure",
        "热力图：{places} 个标注位置在录像时间之外，不计入任何指标",
    ),
    "acceptance.how.distance": (
        "heatmap displacement: interval by leaving out stretches of time (jackknife)",
        "热力图位移：按时间段留一法（刀切法）估计区间",
    ),
    "acceptance.how.counts": (
        "counts: matched within {tolerance} s, clocks {shift} s apart; exact Poisson interval, widened by block bootstrap",
        "计数：{tolerance} 秒内匹配，时钟相差 {shift} 秒；采用精确泊松区间，并以分块自助法放宽",
    ),
    "acceptance.how.sums": (
        "counts: sums by line and direction; errors that cancel cannot be seen, so sums can fail a limit but never prove it",
        "计数：按计数线与方向比较总数；互相抵消的误差无法发现，因此总数可判未通过，但不能证明达标",
    ),
    "acceptance.how.everybody": (
        "counts: staff and visitors alike; how the box tells staff apart was not judged",
        "计数：员工与访客一并计入；未检验盒子对员工的区分",
    ),
    "acceptance.how.visitors": (
        "counts: visitors alone, staff left out as the hand count and the box each say; taking one for the other is an error",
        "计数：仅计访客，员工分别按人工标注和盒子判断剔除；二者判断不一致计为误差",
    ),
    "acceptance.how.dwell": (
        "dwell: block bootstrap over time; visits at least the exact Poisson interval",
        "停留：时间分块自助法；到访次数至少取精确泊松区间",
    ),
    "acceptance.how.unknown": (
        "{files}: does not say with which configuration, detector and recording it was made",
        "{files}：文件未注明所用的配置、检测模型与录像",
    ),
    "acceptance.what.people": ("tracking", "跟踪"),
    "acceptance.what.heat": ("heatmap", "热力图"),
    "acceptance.frames": ("frames", "帧"),
    "acceptance.role.clip": ("recording", "录像"),
    "acceptance.role.tracks": ("tracks of the box", "盒子轨迹"),
    "acceptance.role.heat": ("heat of the box", "盒子热力"),
    "acceptance.role.counts": ("counts of the box", "盒子计数"),
    "acceptance.role.visits": ("visits of the box", "盒子到访"),
    "acceptance.role.truth": ("truth", "真值"),
    "acceptance.of.boxes": ("{value} true boxes", "{value} 个真值框"),
    "acceptance.of.places": ("{value} true places", "{value} 个真值位置"),
    "acceptance.of.crossings": ("{value} true crossings", "{value} 次真值过线"),
    "acceptance.of.visits": ("{value} true visits", "{value} 次真值到访"),
    "figure.people.mota": ("tracking, MOTA", "跟踪 MOTA"),
    "figure.people.idf1": ("identity, IDF1", "身份保持 IDF1"),
    "figure.people.hota": ("tracking, HOTA", "跟踪 HOTA"),
    "figure.people.id_switches": ("identities swapped", "身份互换"),
    "figure.heat.r": ("heatmap, correlation", "热力图相关系数"),
    "figure.heat.emd_m": ("heatmap, displacement", "热力图位移"),
    "figure.heat.mass_ratio": ("heatmap, measured of true time", "热力图总时长比"),
    "figure.counts.wrong_rate": ("crossings missed or invented", "漏计与误计率"),
    "figure.counts.extra": ("crossings invented where nobody crossed", "无人过线处的误计"),
    "figure.counts.net_error": ("count, net error", "计数净误差"),
    "figure.counts.sum_error": ("difference of the sums, by line and direction", "总数差异率（按线与方向）"),
    "figure.dwell.visits_error": ("visits, error", "到访次数误差"),
    "figure.dwell.median_error": ("median dwell, error", "停留中位数误差"),
    "figure.dwell.p90_error": ("dwell p90, error", "停留九成位误差"),
}
