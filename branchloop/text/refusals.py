"""What the hub refuses, in the reader's language: it says so in English, with what to do.

A refusal that no rule knows is told in English under a line that says so.
"""

from __future__ import annotations

from branchloop.text import board as text_board, faults as text_faults
from branchloop.text.catalogue import Language
from branchloop.text.rules import compiled, told_by

_SENTENCES = (
    (r"version (\d+) was saved meanwhile; this was made from (\d+)\. .+", "他人已保存版本 {0}，而您的修改基于版本 {1}；请先留存您的文本，放弃修改以载入新版本，再重新修改。"),
    (r"version (\d+) of (\S+) is published, (\d+) is older\. .+", "已发布版本 {0}，版本 {2} 较旧；版本号只增不减，请回滚到该版本，回滚会生成新版本。"),
    (r"the box runs another text of version (\d+) than the hub holds, and publishing would undo it\. Set version = (\d+) .+", "盒子运行的版本 {0} 与中心保存的版本 {0} 内容不同，发布会覆盖盒子上的内容。请在盒子的网点文件中将 version 设为 {1}，重启盒子，将该文件复制到中心并重启中心；若以中心的文件为准，请在中心的文件中将 version 设为 {1} 并重启中心。"),
    (r"there is no version (\d+)\. .+", "没有版本 {0}；请从版本列表中选择。"),
    (r"figures by hour are no longer kept before (\S+)\. .+", "{0} 之前的分时数据已不再保留；请选择更近的时段，或按日查看。"),
    (r"figures by minute are no longer kept before (\S+)\. .+", "{0} 之前的分钟数据已不再保留；请选择更近的时段，或按小时、按日查看。"),
    (r"more than (\d+) days at once\. .+", "一次最多查询 {0} 天；请缩短时段。"),
    (r"the appointment is parked; it cannot arrive now\. .+", "该客户已签到，目前处于“已暂停”；请点“恢复排队”。"),
    (r"the appointment is (?P<state>left|served|cancelled); it cannot arrive now\. .+", "该预约当前为“{0}”，不能签到；客户已到店的，请现场取号。"),
    (r"the appointment is (?P<state>\w+); it cannot (?P<step>\w+) now\. .+", "该预约当前为“{0}”，不能执行“{1}”；可能已由他人处理，请以最新列表为准。"),
    (r"the appointment is (?P<state>\w+); it cannot end as not served now\. .+", "该预约当前为“{0}”，不能登记为“未办理”；只有已叫号的才可以。"),
    (r"the appointment is (?P<state>\w+); it cannot be called again\. .+", "该预约当前为“{0}”，不能重呼；请先叫号。"),
    (r"the visit already came to (?P<outcome>\w+)\. .+", "该次到店已登记结果“{0}”；结果只登记一次。"),
    (r"the visit's outcome was told already, and what comes next was not this\. .+", "该次到店已登记结果，这项后续事项未保存；后续事项只能与结果一并登记，请直接告知客户。"),
    (r"this appointment is on (\S+)\. .+", "该预约的日期为 {0}；请改约，或现场取号。"),
    (r"there is no such appointment\. .+", "该预约已不存在；请以最新列表为准。"),
    (r"the branch is closed now\. .+", "网点当前已闭店；请为客户预约其他时间。"),
    (r"series (\S+) is used up for today\. .+", "今日 {0} 号段已用完；请人工发号。"),
    (r"this day has no booking number left\. .+", "当日预约号已用完；请选择其他日期。"),
    (r"(\S+) has no service (.+?)\. It has: (.+)\.", "网点 {0} 没有业务 {1}；现有业务：{2}。"),
    (r"there is no branch (.+?)\. .+", "没有网点 {0}；请从网点列表中选择。"),
    (r"the appointment was called to (.+?) already\. .+", "该预约已由 {0} 叫号；请叫其他等候者。"),
    (r"the appointment is (?P<state>\w+); it cannot be sent on now\. .+", "该预约当前为“{0}”，不能转办；请先签到。"),
    (r"this code opens nothing here\. .+", "未找到该预约码；请核对，或现场取号。"),
    (r"this code is for branch (\S+)\. .+", "该预约码属于网点 {0}；请引导客户前往该网点。"),
    (r"this is not a booking code\. .+", "这不是预约码；预约码为 8 位，例如 7K2M-Q4XD。"),
    (r"this is not the QR code of an appointment\. .+", "这不是预约二维码；请出示预约时的二维码。"),
    (r"(\S+) has no counter (.+?)\. It has: (.+)\.", "网点 {0} 没有柜台 {1}；现有柜台：{2}。"),
    (r"counter (\S+) does not serve (.+?)\. It serves: (.+)\.", "柜台 {0} 不办理 {1}；可办理：{2}。"),
    (r"this customer was forgotten\. .+", "该客户的信息已删除，姓名不再显示。"),
    (r"too many .+\. Wait a minute\.", "操作过于频繁，请一分钟后再试。"),
)  # fmt: skip
_RULES = compiled(_SENTENCES)
_NAMES = {
    key.rpartition(".")[2]: words[1]
    for kind in ("board.do.", "board.state.", "board.outcome.")
    for key, words in text_board.WORDS.items()
    if key.startswith(kind)
}
"""States, steps and outcomes of an appointment, as the board calls them."""


def told(message: str, spoken: Language) -> str:
    """A refusal in the reader's language."""
    if spoken == "en":
        return message
    return told_by(_RULES, message, spoken, _NAMES) or text_faults.told(message, spoken)


def for_scripts() -> dict[str, object]:
    """The same rules for a page's script, patterns as JavaScript writes them."""
    return {
        "rules": [[pattern.replace("(?P<", "(?<"), words] for pattern, words in _SENTENCES],
        "names": _NAMES,
        "unknown": text_faults.UNKNOWN,
    }
