"""The little that the hub knows of languages: English, German, French, Spanish, Italian, Portuguese, Dutch.

All words are casefolded and without accents, as `fold` leaves them. A language that is missing here is
treated more strictly, never less: what is not known as a function word counts as content.
"""

from hub_lambdas.folding import fold


def _words(text: str) -> frozenset[str]:
    return frozenset(fold(text).split())


FUNCTION_WORDS = _words("""
a an the this that these those there here it its it's that's there's he she his her him they them their we
us our ours you your yours i me my mine myself yourself who whom whose which what what's when where how why
if whether and or but so then than as at by for from in into of off on onto out over to up with within via
per about around am is are was were be been being do does did doing have has had having will would shall
should can could may might i'm i'd i'll i've you're you'd you'll you've we're we'd we'll we've they're let
let's also too just very more most some any each such both s t d m re ve ll der die das den dem des ein eine
einen einem einer eines dieser diese dieses ich du er sie es wir ihr ihnen ihm ihn mich mir dich dir uns
euch mein meine meinen dein deine sein seine unser unsere unserer unseren unserem euer eure ihre ihren ihrem
ihrer und oder aber als wie was wer wo wann warum welche welcher welches wenn ob dass in im an am auf aus
bei beim bis durch fur mit nach seit uber um unter von vom vor zu zum zur bin bist ist sind seid war waren
hat habe haben hatte wird werden wurde kann konnen konnte mochte mochten darf soll sollen auch noch sehr so
dann da hier etwa ca bitte gerne gern le la les l un une des du de d au aux ce cet cette ces il elle ils
elles nous vous je j tu on me te se mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs et ou
mais que qu qui quoi quand comment pourquoi combien quel quelle quels quelles si dans en sur sous avec pour
par vers chez entre est sont etes suis es ete etre ai as a avons avez ont avoir peut peux pouvez pouvons c y
aussi plus el los las lo una unos unas del al este esta estos estas eso esto yo tu usted ustedes nosotros
nos os mi mis su sus nuestro nuestra nuestros nuestras e o u pero cuando donde como cual cuanto cuanta
cuantos porque para por con desde hasta entre sobre es son soy eres somos estan esta estamos fue ser estar
hay ha he han tiene tenemos puede puedo pueden podemos tambien muy mas il i gli uno dei degli delle dello
della dell nel nella nei nelle sul sulla alla alle ai dal dalla questo questa questi queste io lui lei noi
voi loro mio tuo tua suo sua suoi nostro nostra nostri vostro vostra ed ma che chi quando dove come
quanto quanta perche con per tra fra da di e sono sei siamo siete era essere c'e ci ho hai ha abbiamo avete
hanno puo posso possono possiamo anche molto piu o os as um uma uns umas do da dos das no na nos nas ao aos
pelo pela este esta isto isso eu voce voces ele ela eles elas seu sua seus suas meu minha nosso nossa nossos
nossas mas quando onde como qual quais quanto quanta porque para por com desde ate entre sobre sao sou somos
estao foi ser estar ha tem temos tenho pode posso podem podemos tambem muito mais het een de dit deze dat ik
jij je u hij zij ze wij we jullie hun haar mijn jouw uw ons onze en of maar als wie wat waar wanneer waarom
hoe welke in op aan bij tot van voor naar met om uit over door bent is zijn was waren heb hebt heeft
hebben kan kunt kunnen mag wordt worden ook zeer er please sorry bitte favor
""") - _words("no non")
"""Words that claim nothing by themselves. Those that are common first names (ben, mia) are left out."""


COURTESIES = _words("""
hello hi hey dear greetings welcome thank thanks bye goodbye sorry morning afternoon evening hallo
willkommen danke dank tschuss wiedersehen bonjour bonsoir salut bienvenue merci revoir hola bienvenido
bienvenida bienvenidos gracias adios ciao buongiorno buonasera benvenuto benvenuta benvenuti grazie
arrivederci ola bem-vindo obrigado obrigada adeus goedemorgen goedemiddag goedenavond welkom dankjewel
""")
"""Words that make a sentence a greeting, a thank-you, a farewell."""

COMPANIONS = _words("""
good day night today nice lovely great kind much lot happy glad pleased pleasure love like hear help assist
contacting writing message reaching visit soon take care wish guten morgen tag abend auf schonen helfen gern
gerne heute vielen sehr liebe lieber volontiers aider buenos buenas dias tardes noches buen muchas ayudar
ayudarle hoy dia buon giornata prego aiutare aiutarla oggi bom boa tarde noite muito ajudar hoje goede dag
avond fijne graag helpen vandaag
""")
"""Words that a greeting is made of, and that claim something elsewhere."""

POLITE_WORDS = COURTESIES | COMPANIONS

AGREEMENTS = _words("""
yes yeah yep yup no nope sure certainly absolutely definitely exactly correct right indeed ok okay ja nein
doch genau klar sicher naturlich stimmt oui non si bien sur claro cierto vale exacto certo esatto sim nao
certamente nee zeker klopt
""")
"""Words that answer a question without saying what."""

DENIALS = _words("""
no not never nothing none nobody neither nor without cannot closed don't doesn't didn't isn't aren't wasn't
won't can't couldn't shouldn't wouldn't haven't hasn't mustn't n't dont doesnt isnt arent wont cant
unfortunately unable nicht nein nie niemals nichts kein keine keinen keinem keiner ohne weder geschlossen
leider ne pas jamais rien aucun aucune sans ni ferme fermee fermes non nunca nada ningun ninguna ninguno sin
tampoco cerrado cerrada cerrados cerramos mai niente nulla nessun nessuno nessuna senza chiuso chiusa chiusi
nao nenhum nenhuma sem fechado fechada fechados nem niet geen nooit niets zonder gesloten helaas لا ليس لن
لم غير مغلق
""")
"""Words that turn a sentence into its opposite."""

CONTRASTS = _words("""
but however instead otherwise open aber sondern sonst offen geoffnet mais ouvert ouverte ouverts pero sino
abierto abierta abiertos ma bensi aperto aperta aperti mas porem aberto aberta abertos maar echter
""")
"""Words behind which what was denied is denied no longer."""

SUBJECTS = _words("""
i we you he she it they there that this wir sie ich er es man ihr nous vous je il elle ils elles on tu
nosotros usted ustedes ellos noi voi lei loro nos voce voces eles wij we jij jullie zij hij
""")
"""Words that begin a sentence of its own behind a comma."""

BACK_REFERENCES = _words("""
it they he she this that these those er sie es das dies dieser diese dieses il elle ils elles cela ca ce eso
esto ello ellos ellas ella lui esso essa essi questo questa ele ela eles elas isso isto hij zij het dat dit
deze die
""")
"""Words that stand for what was named before."""

LIMITS = _words("""
from under over above below least most minimum maximum min max upto to than ab von bis unter uber mindestens
hochstens maximal minimal desde hasta partir minimo maximo menos mas da fino partire meno piu ate menos mais
vanaf tot minstens hoogstens jusqu'a moins plus
""")
"""Words in front of a price that make it a limit."""

CONJUNCTIONS = _words("and but or und aber oder sondern et mais ou y e pero ed ma o mas en maar")

QUESTION_WORDS = _words("""
what what's whats when where where's which who whom whose why how was wann wo wohin woher welche welcher
welches wer wen wem warum wieso wie wieviel quoi que quand ou quel quelle quels quelles qui pourquoi comment
combien cuando donde cual cuales quien como cuanto cuanta cuantos che cosa quando dove quale quali chi
perche come quanto quanta quanti onde qual quais quem wat wanneer waar welk welke wie waarom hoe hoeveel
""")

MANNERS = _words("""
assistant bot answer answers answered reply replies respond sentence sentences assistent antworte antworten
satz saetze satzen repond reponds repondez phrase phrases asistente responde responda frase frases assistente
rispondi frasi antwoord antwoorden zin zinnen
""")
"""Words of a sentence that tells the bot who it is and how to speak."""

ORDERS = MANNERS | _words("""
never always prompt instruction instructions customer customers user users niemals immer kunde kunden client
clients toujours jamais cliente clientes siempre nunca sempre mai klant klanten altijd nooit
""")
"""Words of a sentence that tells the bot what to do."""
