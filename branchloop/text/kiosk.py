"""Words of the check-in kiosk: (English, 中文). Placeholders in braces are filled by the page."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "kiosk.title": ("Check in", "预约签到"),
    "kiosk.language": ("中文", "English"),
    "kiosk.greeting": ("Welcome to {branch}", "欢迎光临{branch}"),
    "kiosk.ask": ("How would you like to check in?", "请选择签到或取号方式"),
    "kiosk.door.code": ("Show my code", "出示预约码"),
    "kiosk.door.code.hint": ("QR code or 8 characters", "二维码或 8 位预约码"),
    "kiosk.door.face": ("Recognise me", "刷脸签到"),
    "kiosk.door.face.hint": (
        "Only for those who consented beforehand",
        "仅限已单独同意的客户",
    ),
    "kiosk.door.walk_in": ("Take a ticket", "现场取号"),
    "kiosk.door.walk_in.hint": ("I have no appointment", "未预约客户"),
    "kiosk.service.now": ("no wait now", "当前无需等候"),
    "kiosk.service.title": ("What would you like to do?", "请选择办理业务"),
    "kiosk.equal": (
        "All are served by the same rule: in the order of the times promised.",
        "各种方式遵循同一规则，按约定时间先后办理。",
    ),
    "kiosk.crowding": ("In branch now: {people} people", "当前在店人数：{people} 人"),
    "kiosk.crowding.none": ("In branch now: not measured", "当前在店人数：未测得"),
    "kiosk.hours": ("Today by hour, people on average", "今日分时平均在店人数"),
    "kiosk.wait": (
        "{service}: expected wait about {minutes} min ({low}–{high})",
        "{service}：预计等候约 {minutes} 分钟（{low}–{high}）",
    ),
    "kiosk.wait.own": (
        "{service}: wait about {minutes} min, this kiosk's own estimate",
        "{service}：等候约 {minutes} 分钟（本机估计）",
    ),
    "kiosk.wait.none": ("{service}: wait not known now", "{service}：暂无法预计等候时间"),
    "kiosk.wait.now": ("{service}: no wait", "{service}：无需等候"),
    "kiosk.offline": (
        "The link to the hub is down. Checking in works; the ticket is confirmed later.",
        "与中心的连接中断。签到照常，排队号稍后确认。",
    ),
    "kiosk.no_gallery": (
        "This kiosk does not have today's appointments yet. Please ask our staff.",
        "本机尚未收到今日预约，请工作人员协助。",
    ),
    "kiosk.no_camera": (
        "The camera is not ready: type your code instead.",
        "摄像头未就绪，请输入预约码。",
    ),
    "kiosk.clock": ("This kiosk's clock is off; our staff know.", "本机时钟有偏差，工作人员已知悉。"),
    "kiosk.code.title": ("Show your QR code to the camera", "请将二维码对准摄像头"),
    "kiosk.code.or": ("or type your booking code", "或输入预约码"),
    "kiosk.code.field": ("Booking code", "预约码"),
    "kiosk.number.title": ("Type your booking number", "请输入预约号"),
    "kiosk.number.hint": (
        "Four digits. Then we compare your face with your own template.",
        "四位数字，随后与您本人的人脸模板比对。",
    ),
    "kiosk.number.field": ("Booking number", "预约号"),
    "kiosk.enter": ("Go on", "确认"),
    "kiosk.delete": ("Delete", "删除"),
    "kiosk.back": ("Start again", "返回首页"),
    "kiosk.staff": ("Ask our staff", "请工作人员协助"),
    "kiosk.no_code": (
        "That is not a booking code: it has 8 characters, such as 7K2M-Q4XD.",
        "这不是预约码。预约码为 8 位，例如 7K2M-Q4XD。",
    ),
    "kiosk.face.title": ("Please look straight at the camera.", "请正视摄像头。"),
    "kiosk.preview": ("Camera preview", "摄像头预览"),
    "kiosk.look.ok": ("Good. One moment.", "很好，请稍候。"),
    "kiosk.look.no_face": ("Please look straight at the camera.", "请正视摄像头。"),
    "kiosk.look.two_faces": ("Only one person at a time, please.", "请一次仅一人面对摄像头。"),
    "kiosk.look.too_far": ("A little closer, please.", "请再靠近一点。"),
    "kiosk.look.too_close": ("A little further back, please.", "请稍微后退一点。"),
    "kiosk.look.off_centre": ("Please move to the middle.", "请移至画面中央。"),
    "kiosk.look.dark": ("More light is needed; or show your code.", "光线不足，您也可以出示预约码。"),
    "kiosk.look.bright": ("There is too much light; or show your code.", "光线过强，您也可以出示预约码。"),
    "kiosk.look.blurred": ("Please hold still.", "请保持不动。"),
    "kiosk.look.turned_away": ("Please look straight at the camera.", "请正视摄像头。"),
    "kiosk.look.occluded": (
        "Your face is partly covered: take off hat or mask, or show your code.",
        "面部有遮挡，请摘下帽子或口罩，您也可以出示预约码。",
    ),
    "kiosk.do.turn_left": ("Slowly turn your head to the left.", "请缓慢向左转头。"),
    "kiosk.do.turn_right": ("Slowly turn your head to the right.", "请缓慢向右转头。"),
    "kiosk.do.nod": ("Slowly nod.", "请缓慢点头。"),
    "kiosk.do.blink": ("Please blink.", "请眨眼。"),
    "kiosk.do.smile": ("Please smile.", "请微笑。"),
    "kiosk.confirm.title": ("Is this you?", "请确认是否为您本人"),
    "kiosk.confirm.who": ("{name}, {service}, {at}", "{name}，{service}，{at}"),
    "kiosk.confirm.yes": ("Yes, check me in", "是，签到"),
    "kiosk.confirm.no": ("No, that is not me", "不是我"),
    "kiosk.name.mr": ("Mr {name}", "{name}先生"),
    "kiosk.name.ms": ("Ms {name}", "{name}女士"),
    "kiosk.welcome": ("Welcome, {name}", "{name}，您好"),
    "kiosk.ticket": ("Your ticket", "您的排队号"),
    "kiosk.again": ("You have checked in already; this is your ticket.", "您已签到，这是您的排队号。"),
    "kiosk.provisional": (
        "Provisional: it holds, and is confirmed when the hub is reached.",
        "暂定号码：有效，待连接中心后确认。",
    ),
    "kiosk.ticket.wait": (
        "Expected wait: about {minutes} min ({low}–{high})",
        "预计等候约 {minutes} 分钟（{low}–{high}）",
    ),
    "kiosk.ticket.own": (
        "Wait: about {minutes} min, this kiosk's own estimate",
        "等候约 {minutes} 分钟（本机估计）",
    ),
    "kiosk.ticket.now": ("You will be called in a moment.", "即将为您办理。"),
    "kiosk.ticket.next": ("You are next.", "下一位就是您。"),
    "kiosk.ticket.ahead": ("Before you: {ahead}.", "您前面还有 {ahead} 位。"),
    "kiosk.ticket.later": ("Your number is called when it is your turn.", "轮到您时将叫号，请留意。"),
    "kiosk.ticket.called": (
        "You are called: please go to your counter.",
        "已叫到您的号，请前往柜台办理。",
    ),
    "kiosk.ticket.at": (
        "You are called: please go to {counter}.",
        "已叫到您的号，请到 {counter} 办理。",
    ),
    "kiosk.ticket.counter": (
        "You are called: please go to counter {counter}.",
        "已叫到您的号，请到 {counter} 号柜台办理。",
    ),
    "kiosk.ticket.unknown": ("The wait is not known now.", "暂无法预计等候时间。"),
    "kiosk.enrol": ("Next time: be recognised", "下次刷脸签到"),
    "kiosk.consent.agree": ("I am 14 or older, and I agree", "我已满十四周岁并同意"),
    "kiosk.consent.no": ("No, thank you", "不用了"),
    "kiosk.consent.minor": (
        "Under 14? Our staff help, together with a parent or guardian.",
        "未满十四周岁，请由父母或其他监护人陪同，在工作人员协助下办理。",
    ),
    "kiosk.enrolled": ("Done. Next time you can be recognised here.", "已开通，下次可在本机刷脸签到。"),
    "kiosk.staff.title": ("Our staff will help you", "工作人员将协助您"),
    "kiosk.staff.asked": ("Please wait here, or go to the counter.", "请在此稍候，或前往柜台。"),
    "kiosk.staff.locked": (
        "That did not work several times. Our staff check you in, in the same order.",
        "多次未能成功，工作人员将为您签到，办理顺序不变。",
    ),
    "kiosk.staff.many": (
        "Several tickets were just taken here. Our staff help you to the next one.",
        "刚才连续取号较多，请由工作人员协助您取号。",
    ),
    "kiosk.staff.not_kept": (
        "This kiosk cannot give a ticket now. Our staff check you in, in the same order.",
        "本机暂时无法出号，工作人员将为您签到，办理顺序不变。",
    ),
    "kiosk.refused.title": ("That did not work", "未能完成"),
    "kiosk.refused.no_match": (
        "We could not confirm it is you. No harm done: show your code or ask our staff.",
        "暂未能确认您的身份，请出示预约码或请工作人员协助。",
    ),
    "kiosk.refused.not_live": (
        "We could not confirm it is you. No harm done: show your code or ask our staff.",
        "暂未能确认您的身份，请出示预约码或请工作人员协助。",
    ),
    "kiosk.refused.not_me": (
        "Then nobody was checked in. Show your code or ask our staff.",
        "未办理签到，请出示预约码或请工作人员协助。",
    ),
    "kiosk.refused.withdrawn": (
        "The consent to be recognised was withdrawn. Show your code instead.",
        "刷脸同意已撤回，请出示预约码。",
    ),
    "kiosk.refused.no_consent": (
        "No consent to be recognised holds here. Show your code instead.",
        "本机未开通刷脸签到，请出示预约码。",
    ),
    "kiosk.refused.unknown_code": (
        "This code opens no appointment here today. Check it, or ask our staff.",
        "该预约码在本网点今日无对应预约，请核对或请工作人员协助。",
    ),
    "kiosk.refused.foreign_qr": (
        "This is not the QR code of an appointment. Show the one of your booking.",
        "这不是预约二维码，请出示预约二维码。",
    ),
    "kiosk.refused.other_branch": (
        "This appointment is at another branch. Our staff can help.",
        "该预约属于其他网点，请工作人员协助。",
    ),
    "kiosk.refused.too_early": (
        "You are early: please check in closer to your time.",
        "您来得较早，请在临近预约时间时签到。",
    ),
    "kiosk.refused.too_late": (
        "The time to check in is over. Our staff find you another place.",
        "已过签到时间，请工作人员为您另行安排。",
    ),
    "kiosk.refused.cancelled": (
        "This appointment was cancelled. Our staff can help.",
        "该预约已取消，请工作人员协助。",
    ),
    "kiosk.refused.served": ("This appointment was served already.", "该预约已办理完毕。"),
    "kiosk.refused.closed": (
        "The branch is closed now, so no ticket can be taken.",
        "网点当前不在营业时间，暂不能取号。",
    ),
    "kiosk.refused.no_gallery": (
        "This kiosk does not have today's appointments yet. Please ask our staff.",
        "本机尚未收到今日预约，请工作人员协助。",
    ),
    "kiosk.refused.enrol_failed": (
        "The pictures were not good enough, so nothing was kept.",
        "照片未达要求，未保存任何信息。",
    ),
    "kiosk.lost": ("This page has lost its kiosk and tries again.", "页面与本机连接中断，正在重试。"),
}
