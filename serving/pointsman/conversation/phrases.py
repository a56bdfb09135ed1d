"""The words by which short turns are told apart: assent, reference, courtesy, and the openings of a request.

English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Russian and Turkish by word; Chinese, Japanese and
Korean by phrase; a few of Arabic, Hindi and Hebrew. A word that stands nowhere here is content.
"""

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GO_AHEAD: Final = _words("""
yes yeah yep yup ya yah sure ok okay okey k kk y affirmative absolutely definitely certainly right correct exactly
agreed agree continue proceed go goes going ahead carry keep resume next start begin do doing done run apply execute
retry try fix make finish complete implement confirm confirmed approve approved accept lgtm ship merge commit push
repeat redo undo revert stop wait no nope nah never mind yea indeed fine works whatever choose pick decide use take
ja jo jawohl genau mach mache machen weiter los bitte passt einverstanden fortfahren fahre fort nein nochmal
oui ouais vas-y allez-y vasy continue continuez d'accord daccord fais faites fais-le non encore poursuis parfait
sí si sigue siga continúa continua continúe adelante hazlo hágalo dale vale claro venga arréglalo otra
sì avanti procedi continua fallo va bene certo prosegui
sim segue siga prossiga faça vá em frente isso claro continue pode
ja graag doorgaan ga gaan door verder doe maar akkoord prima toe
tak dalej kontynuuj zrób jasne pewnie
да продолжай продолжайте давай дальше сделай хорошо ок нет ага конечно
evet devam et yap tamam olur hayır
نعم استمر تابع أكمل حسنا हाँ हां जारी रखें रखो करो ठीक है כן תמשיך המשך בסדר
""")

REFERENCE: Final = _words("""
it that this these those them they same other others one ones both all everything rest above previous last
second third option former latter too also again instead another either its remaining similarly likewise
das dies dieses diese es ihn gleiche gleichen andere anderen auch rest alle
le la les ça cela ceci même autre autres aussi tout reste
lo la eso esto mismo misma otro otra también resto todo todos
questo quello stesso stessa altro altra anche tutto
isso isto mesmo mesma outro outra também resto tudo
dit dat hetzelfde andere ook
to tego samo drugi drugiego resztę
это этого то же самое другой другого другое остальное тоже всё
bunu şunu aynı diğer
""")

FILLER: Final = _words("""
please pls plz the a an of to in on for with and or but just now then so can could would will shall should you we i me
my your let lets let's us be is are was were does did not don't dont at by as up out if than i'm it's that's im
what why how which who when where huh hmm um uh well actually really still like want need get got see here there
option number step part bit little way thing things stuff more less much very
der die den dem ein eine und oder für mit mal doch dann jetzt nun aber ich du wir sie ist warum wie was
un une et ou pour avec je tu il nous vous est s'il te plaît plait maintenant pourquoi comment quoi de en
el los las una y o para con por favor ahora qué cómo porqué
il un e o per con ora adesso perché come
o a os as um uma e ou para com agora por favor
de het een en of voor met nu
i w na dla z proszę teraz
и в на для с пожалуйста теперь а не почему как
ve için lütfen şimdi ile
""")

COURTESY: Final = _words("""
thanks thank thx ty tysm cheers hello hi hey hiya morning evening afternoon night bye goodbye welcome appreciate
appreciated gracias merci danke dankeschön grazie obrigado obrigada bedankt dzięki dziękuję спасибо teşekkürler sağol
hola bonjour salut hallo ciao olá cześć привет merhaba tschüss adiós au revoir شكرا مرحبا धन्यवाद नमस्ते תודה שלום
""")

PRAISE: Final = _words("""
great good nice awesome perfect cool amazing excellent lovely wow lol haha brilliant wonderful fantastic super neat
sweet job work help day one love beautiful superb sounds looks it's that's helpful
super toll prima perfekt gut klasse parfait génial bien excelente perfecto genial perfetto ottimo ótimo perfeito
goed świetnie отлично супер harika vielen dank mille beaucoup muchas molte muito большое
""")

MANNER: Final = _words("""
shorter longer faster slower simpler better smaller bigger cleaner clearer brief briefer briefly concise formal informal
casual friendly friendlier polite professional detail details detailed example examples bullet bullets points table
sentence sentences paragraph words steps step-by-step simple short long german french spanish english italian portuguese
japanese chinese python javascript typescript rust go java markdown json yaml version deeper further elaborate expand
kürzer länger einfacher plus court simple más corto breve
""")

CONTINUING: Final = _words("""
and also now then but or plus same instead another again what about how more
und auch jetzt et aussi maintenant y también ahora e anche
""")
"""First words of a turn that goes on from the one before."""

ANSWERING: Final = _words("""
yes yeah yep yup no nope nah ok okay sure agreed ja nein oui non d'accord sí sì sim não nee tak nie да нет evet hayır
""")
"""First words that answer something, whatever comes after them."""

MODIFYING: Final = _words("in for with without to using on für auf mit ohne en pour sans avec sin con senza com sem")
"""First words of a few that only say how: "with comments", "for Windows"."""

REQUEST_OPENINGS: Final = _words("""
add analyse analyze answer apply arrange assess book brainstorm build calculate change check choose classify clean
compare complete compose compute consider convert correct create debug define delete deploy derive describe design
determine develop diagnose discuss display divide document draft draw edit estimate evaluate examine explain extend
extract fetch figure fill find finish fix format generate give guess help identify implement improve insert install
integrate investigate invent justify keep list look make merge migrate modify move name optimise optimize organise
organize outline parse plan predict prepare print produce proofread propose prove provide read recommend refactor remove
rename reorder rephrase replace reply report research resolve respond review rewrite run schedule search send set show
simplify sketch solve sort specify split store study suggest sum summarise summarize tell test think trace transform
translate try turn update use validate verify visualise visualize walk write
can could would will please pls what what's why how who who's where when which is are do does did should shall may i i'd
i'm i've help let let's hello hi
""")

CJK_GO_AHEAD: Final = (
    "请继续", "继续吧", "继续", "好的", "好吧", "可以", "是的", "没问题", "行", "对", "嗯", "就这样", "开始吧",
    "做吧", "执行", "修复它", "修一下", "修复", "试试", "再试一次", "下一步", "接着", "请", "吧", "好",
    "改一下", "是", "はい", "続けてください", "続けて", "続き", "お願いします", "お願い", "進めて", "ください",
    "いいよ", "いいです", "了解", "直して", "やって", "次", "うん", "ええ", "네", "예", "응", "계속해줘",
    "계속해주세요", "계속해", "계속", "진행해줘", "진행해", "진행", "해줘", "해주세요", "좋아요", "좋아",
    "그래", "고쳐줘", "부탁해", "다음",
)  # fmt: skip
CJK_REFERENCE: Final = (
    "同样的", "同样", "也", "其他的", "其他", "另一个", "另外", "剩下的", "这个", "那个", "它", "这", "那",
    "第一个", "第二个", "全部", "同じ", "それも", "それ", "これ", "他の", "残り", "全部", "もう一つ", "二番目",
    "그것도", "그것", "이것", "저것", "같은", "나머지", "다른", "전부", "두번째", "그거", "이거",
)  # fmt: skip
CJK_COURTESY: Final = (
    "谢谢你", "谢谢", "多谢", "你好", "您好", "再见", "辛苦了", "ありがとうございます", "ありがとう",
    "こんにちは", "さようなら", "감사합니다", "고마워요", "고마워", "안녕하세요", "안녕",
)  # fmt: skip
