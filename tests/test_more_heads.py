"""Heads in scripts and forms that the reader was not made on, and lines that are no heads."""

from __future__ import annotations

import itertools

import pytest

from emodiss.transcript import read_report
from tests.test_transcript_heads import save

SCRIPTS = {
    "Ukrainian": (("Олена Гай", "Їжак Ко"), ("Як справи?", "Погано.", "Я чую вас.", "Так.")),
    "Swedish": (
        ("Åsa Öberg", "Björn af Klint"),
        ("Hur var det?", "Dåligt.", "Jag hör dig.", "Ja."),
    ),
    "Turkish": (
        ("İpek Şahin", "Çağrı Işık"),
        ("Nasıl geçti?", "Kötü.", "Sizi duyuyorum.", "Evet."),
    ),
    "Portuguese": (
        ("João d’Ávila", "Inês dos Santos"),
        ("Como foi?", "Mal.", "Eu ouço você.", "Sim."),
    ),
    "Czech": (("Žofie Říhová", "Čeněk Dvořák"), ("Jak to šlo?", "Špatně.", "Slyším vás.", "Ano.")),
    "Irish": (("Siobhán O'Dea", "Mac an Ghaill"), ("How was it?", "Bad.", "I hear you.", "Yes.")),
    "Dutch": (
        ("Fleur van 't Hof", "Joost de Wit"),  # codespell:ignore
        ("Hoe was het?", "Slecht.", "Ik hoor je.", "Ja."),
    ),
    "Gujarati": (("હેતલ શાહ", "રમેશ પટેલ"), ("કેવું રહ્યું?", "ખરાબ.", "હું સાંભળું છું.", "હા.")),
    "Telugu": (("సుమ రావు", "కిరణ్ రెడ్డి"), ("ఎలా ఉంది?", "చెడ్డగా.", "నేను వింటున్నాను.", "అవును.")),
    "Sinhala": (("නිමල් පෙරේරා", "කමලා සිල්වා"), ("කොහොමද?", "නරකයි.", "මට ඇහෙනවා.", "ඔව්.")),
    "Lao": (("ສົມສີ", "ບຸນມີ"), ("ເປັນແນວໃດ", "ບໍ່ດີ", "ຂ້ອຍໄດ້ຍິນ", "ແມ່ນ")),
    "Tibetan": (("པདྨ་", "ཚེ་རིང་"), ("ག་འདྲ་འདུག", "ཡག་པོ་མི་འདུག", "ངས་གོ་གི་འདུག", "ལགས་སོ")),
    "Urdu": (("عائشہ خان", "بلال شیخ"), ("کیسا رہا؟", "برا۔", "میں سن رہی ہوں۔", "جی۔")),
    "Gurmukhi": (("ਗੁਰਪ੍ਰੀਤ ਕੌਰ", "ਜਸਬੀਰ ਸਿੰਘ"), ("ਕਿਵੇਂ ਰਿਹਾ?", "ਮਾੜਾ।", "ਮੈਂ ਸੁਣਦੀ ਹਾਂ।", "ਹਾਂ।")),
    "Kannada": (("ಗೀತಾ ರಾವ್", "ಮಹೇಶ್ ಗೌಡ"), ("ಹೇಗಿತ್ತು?", "ಕೆಟ್ಟದು.", "ನಾನು ಕೇಳುತ್ತೇನೆ.", "ಹೌದು.")),
    "Malayalam": (("അനു നായർ", "വിജയ് മേനോൻ"), ("എങ്ങനെ?", "മോശം.", "ഞാൻ കേൾക്കുന്നു.", "അതെ.")),
    "Hungarian": (
        ("Őri Ágnes", "Kő Zsolt"),
        ("Hogy ment?", "Rosszul.", "Hallom.", "Igen."),  # codespell:ignore
    ),
    "Yoruba": (("Adébáyọ̀ Ṣẹ́gun", "Fúnmi Ọ̀kẹ́"), ("Báwo ni?", "Kò dára.", "Mo gbọ́.", "Bẹ́ẹ̀ ni.")),
    "Mongolian": (
        ("Болд Ганаа", "Цэцэг Дорж"),
        ("Ямар байв?", "Муу.", "Би сонсож байна.", "Тийм."),
    ),
    "Serbian": (("Ђура Јаксић", "Љиља Њези"), ("Како је било?", "Лоше.", "Чујем вас.", "Да.")),
    "Cherokee": (("ᏣᎳᎩ", "ᏌᏉᏱ"), ("ᎣᏏᏲ.", "ᏙᎯᏧ.", "ᎥᎥ.", "ᏩᏙ.")),
    "Hiragana": (("さくら先生", "けんたくん"), ("どう？", "だめ。", "きいてます。", "うん。")),
    "Cantonese": (("阿玲", "陳生"), ("點呀？", "唔好。", "我聽到。", "係。")),
    "Cased mix": (("mia_89", "NoahB"), ("How was it?", "Bad.", "I hear you.", "Yes.")),
    "Initials": (("J.R. Lo", "M. K."), ("How was it?", "Bad.", "I hear you.", "Yes.")),
}

STYLES = [
    "Speaker {}: {}",
    "{} [she/they]: {}",
    "{}’s iPad: {}",
    "{} 🎧: {}",
    "{}, Ph.D., LPC: {}",
    "[{} – Host]: {}",
    "{} [00:01:02]: {}",
    "00:01:02 {}: {}",
    "(00:12) {}: {}",
    "{} <she/her>: {}",
    "【{}】{}",
    "（{}）：{}",
    "<b>{}:</b> {}",
    "<i>{}</i>: {}",
    "__{}__: {}",
    "«{}»: {}",
    "“{}”: {}",
    "{} (host, she/her): {}",
    "{} (external): {}",
    "{} - iPhone: {}",
    "• {}: {}",
    "♪ {}: {}",
    "{}﹕{}",
    "{} (via phone): {}",
    "[{}]{}",
    "{} @ Home: {}",
    "{}: — {}",
    "- [{}] {}",
    "{} (1): {}",
    "{} :\u00a0{}",
    "\u202b{}: {}\u202c",
    "{} — Host: {}",
    "<c.yellow>{}</c>: {}",
    '<font color="#ff0">{}:</font> {}',
]


def test_heads_in_other_scripts_and_forms_are_read_and_none_goes_to_the_wrong_voice(tmp_path):
    n = 0
    missed: list[tuple[str, str]] = []
    files = list(itertools.product(SCRIPTS.items(), STYLES))
    for (script, (people, said)), style in files[::5]:  # each form in five scripts or more
        found, _ = read_report(
            save(tmp_path, [style.format(people[i % 2], said[i % 4]) for i in range(6)])
        )
        assert len(found) == 6, (script, style)
        voices = [{u.speaker for u in found[k::2]} - {"speaker"} for k in (0, 1)]
        assert not voices[0] & voices[1], (script, style)
        n += 6
        for i, each in enumerate(found):
            if each.speaker == "speaker" or not each.text.lstrip("— ").startswith(said[i % 4]):
                missed.append((script, style))
    assert n >= 1000
    assert len(missed) <= 0.05 * n, sorted(set(missed))


NO_HEADS = """\
I was born at 7:45 on a Sunday.
We left at 6:30 p.m. sharp.
5:00 is too early for me.
12:15: that was the time.
At 3:00 AM: nothing but noise.
Call me at 8:05, please.
The bus: 9:41. Always late.
See https://example.org/a:b for it.
http://example.com: that was the page.
www.example.net:8080 did not load.
Go to localhost:3000 and look.
mailto:me@example.org bounced.
ftp://files.example.org is gone.
John 3:16 helps me.
Psalm 23:4 is on my wall.
1 Corinthians 13:4-7: love is patient.
Qur'an 2:286 says it.
Matthew 5:9: blessed are they.
Proverbs 17:22: a merry heart.
I smiled :-) at her.
I was so sad :(
He wrote :P and left.
:) is all he sent.
She sent :'( to me.
x:D he typed, always.
Okay :/ if you say so.
import os: that is how it starts.
if x > 3: return y
def f(x): pass
for i in range(3): print(i)
{"a": 1} was the file.
key: value, he said, is YAML.
std::vector is what I do.
C:\\Users\\me is where it was.
print("a: b") gave an error.
Note: the door stays open.
Please note: no phones.
N.B.: it costs nothing.
PS: I forgot.
Caution: stairs.
Reminder: call the clinic.
Update: she came back.
Spoiler: he dies.
Fun fact: cats purr.
Side note: I moved.
Long story short: I quit.
Bottom line: I stay.
In short: no.
In other words: yes.
To be clear: it was me.
To sum up: three things.
My point: it hurts.
His excuse: work.
Her answer: silence.
Their plan: none.
Our rule: no shouting.
The reason: money.
The result: nothing.
The problem: he drinks.
The good news: I slept.
The bad news: it rains.
One more thing: thanks.
Last thing: sleep well.
Second thought: no.
Plan A: talk.
Plan B: run.
Part two: the money.
Chapter 3: the flood.
Rule number one: be kind.
Lesson learned: ask first.
Mix it 2:1 with water.
The score was 4:2 at half time.
It is 50:50, I think.
A ratio of 16:9, he said.
The vote was 12:3.
Dr. Smith said: take it slow.
Mr. Jones told us: never again.
Prof. Lee wrote: try harder.
Mrs. Kay asked me: why now?
My doctor says: rest.
The nurse whispered: breathe.
Mum shouted: come down!
Dad always told me: work.
My sister texted: where are you?
Grandma used to say: eat.
He replied: fine.
She screamed: get out!
They answered: maybe.
I told myself: stay.
We agreed: no more.
And he goes: whatever.
And I'm like: what?
So she says: leave me.
Then it hit me: I was alone.
It came down to this: stay or go.
What matters: you are here.
What I need: time.
What he did: nothing.
How I feel: empty.
Why I came: to talk.
Where it hurts: here.
When it began: in May.
Who helps: nobody.
Guess what: I did it.
You know what: forget it.
Here it is: the letter.
Here's the thing: I lied.
There it was: the ring.
This is it: the end.
That's it: I am done.
Like this: slowly.
As follows: first, sit.
For instance: mornings.
Such as: bread, milk, eggs.
Among them: my brother.
Including: Bo and Ana.
Except: Sundays.
Especially: at night.
Namely: fear.
I want: peace, quiet, sleep.
I need three things: air, light, time.
I saw them: Bo, Ana, everyone.
Ingredients: flour, water.
Symptoms: none.
Diagnosis: depression.
Medication: sertraline, 50 mg.
Age: forty.
Name: I'd rather not say.
Mood: low.
Sleep: bad.
Appetite: fine.
Energy: none.
Goal: to walk again.
Task: write a letter.
Exercise: count to ten.
Breathing: in, out.
Feelings: anger, mostly.
Anger: that was new.
Fear: always.
Shame: yes.
Hope: a little.
Love: what is it?
Work: too much.
School: the same.
Home: hell.
Family: complicated.
Money: gone.
Christmas: we fought.
Summer: better.
Tuesday: I cried.
Yesterday: a fight.
Tomorrow: court.
Tonight: the call.
Now: I wait.
Later: nothing.
Before: I was happy.
After: never.
Once: he hit me.
Twice: I left.
Always: the same.
Never: a word.
Maybe: I don't know.
True: I was wrong.
False: I never said it.
Right: go on.
Wrong: I stayed.
Exactly: that.
Honestly: no.
Seriously: stop.
Actually: yes.
Basically: it's over.
Personally: I like it.
Sadly: he died.
Luckily: it passed.
Breathe: in and out.
Stop: look at me.
Notice: your feet.
Picture: a lake.
Ask yourself: who says so?
Tell me: what now?
Say it: no.
Try this: sit.
Let me guess: your mother.
Let's see: Monday?
Correct me: was it May?
Hey: look up.
Oh: I see.
Um: I think so.
Hm: maybe.
Ah: there it is.
Ja: genau.
Also: ich weiß nicht.
Nein: so war es nicht.
Meine Mutter sagte: iss.
Zum Beispiel: nachts.
Das Problem: er trinkt.
Erstens: atmen.
Um 7:30 Uhr stand ich auf.
Mon père disait: travaille.
Par exemple: la nuit.
Le problème: il boit.
Mi madre decía: come.
Por ejemplo: de noche.
El problema: bebe.
Mia madre diceva: mangia.
Per esempio: di notte.
Мама говорила: ешь.
Например: ночью.
Проблема: он пьёт.
妈妈说：吃饭。
比如：晚上。
问题是：他喝酒。
母は言った：食べて。
例えば：夜。
엄마가 말했다: 먹어.
예를 들면: 밤.
قالت أمي: كل.
مثلا: في الليل.
אמא אמרה: תאכל.
למשל: בלילה.
माँ ने कहा: खाओ।
मिसाल: रात।
""".splitlines()


@pytest.mark.parametrize("every", [1, 2])
def test_more_lines_with_colons_are_left_alone(tmp_path, every):
    wrong: list[tuple[str, str]] = []
    for line in NO_HEADS:
        texts = ["Ana: One.", "Bo: Two.", "Ana: Three.", line, "Bo: Four.", "Ana: Five."]
        texts += ["Bo: Six.", line] if every == 2 else []
        found, _ = read_report(save(tmp_path, texts))
        for utterance, speaker in zip(found[3::4], ("Ana", "Bo"), strict=False):
            if utterance.text != line or utterance.speaker not in (speaker, "speaker"):
                wrong.append((line, utterance.speaker))
    assert len(NO_HEADS) >= 200
    assert len(wrong) <= 0.02 * every * len(NO_HEADS), wrong
