"""How contacts ask for a person, in English, German, French, Spanish, Italian, Portuguese and Dutch.

Texts are folded before: lower case, no accents. What asks names somebody ("a human", "your staff") behind a
verb that wants them ("talk to", "transfer me to"), or is little more than their name ("human please"). "Do I
need an agent to buy a flat?" is none: there, no verb leads to the person within a few words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

_FEW_WORDS = r"(?:\s+[\w']+){0,4}?\s+"
"""Between the verb and whom it wants: "speak with one of your"."""


@dataclass(frozen=True)
class _Language:
    """Pieces of patterns, separated by commas. `alone`: who may be all that is written, with some of
    `beside`. `before`: what stands before a person whom the verb follows ("mit einem Menschen sprechen")."""

    verbs: str
    persons: str
    alone: str
    beside: str
    before: str = ""

    def patterns(self) -> list[str]:
        verbs, persons, alone, beside = map(_any, (self.verbs, self.persons, self.alone, self.beside))
        found = [
            rf"\b{verbs}\b{_FEW_WORDS}{persons}\b",
            rf"\A\W*(?:{beside}\W+)*{alone}(?:\W+{beside})*\W*\Z",
        ]
        return [*found, rf"\b{self.before}{persons}\s+{verbs}\b"] if self.before else found


_LANGUAGES = (
    _Language(
        verbs="talk, speak, chat, connect me, put me through, transfer me, forward me, pass me",
        persons="""humans?, human being, (?:real|actual|living|live) (?:person|human|agent|one), person,
            somebody, someone, agent, representative, operator, receptionist, manager, employees?,
            colleagues?, staff, member of (?:your |the )?(?:staff|team), your team,
            customer (?:service|support|care)""",
        alone="""human(?: being)?, (?:real|live) (?:person|human|agent), agent, representative, operator,
            manager, customer service""",
        beside="""please, pls, now, get me, give me, i want, i need, can i have, could i have, is there,
            i'd like, i would like, want, need, a, an, the""",
    ),
    _Language(
        verbs="sprechen, reden, chatten, verbinden, verbinde, weiterleiten, durchstellen, telefonieren",
        persons="""(?:echte[nrm]? |richtige[nrm]? )?(?:mensch(?:en)?|person), jemand(?:en|em)?,
            mitarbeiter(?:in|n|innen)?, kundenservice, kundendienst, (?:kunden)?berater(?:in)?,
            ansprechpartner(?:in)?, chef(?:in)?, kolleg(?:e|en|in)""",
        alone="(?:echte[nr]? )?mensch(?:en)?, mitarbeiter(?:in)?, kundenservice, kundendienst",
        beside="bitte, ich, mochte, will, brauche, einen, einem, eine, einer, mit, gibt es, kann",
        before=r"mit\s+(?:\w+\s+){0,2}",
    ),
    _Language(
        verbs="""parler, discuter, echanger, joindre, contacter, passez-moi, passer, transferez-moi,
            mettre en relation""",
        persons="""humaine?, etre humain, (?:vraie |reelle )?personne, quelqu'un, conseiller, conseillere,
            agent, operateur, operatrice, responsable, employee?, votre equipe, service client""",
        alone="(?:etre )?humain, conseiller, conseillere, vraie personne, service client",
        beside="s'il vous plait, svp, stp, je, veux, voudrais, un, une, a, avec",
    ),
    _Language(
        verbs="""hablar, hable, chatear, comunicarme, comuniqueme, contactar, pasame, paseme, pasarme,
            transferirme, conectame""",
        persons="""humano, humana, persona, alguien, agente, asesor, asesora, operador, operadora,
            representante, encargado, encargada, empleado, empleada, su equipo, atencion al cliente""",
        alone="humano, persona real, agente, asesor, operador, atencion al cliente",
        beside="por favor, quiero, quisiera, necesito, un, una, con",
    ),
    _Language(
        verbs="""parlare, chattare, contattare, mettermi in contatto, passami, mi passi, passatemi,
            trasferiscimi""",
        persons="""umano, persona, qualcuno, operatore, operatrice, addetto, responsabile, consulente,
            vostro staff, servizio clienti, assistenza clienti""",
        alone="(?:essere )?umano, operatore, persona reale, servizio clienti",
        beside="per favore, voglio, vorrei, un, una, con",
    ),
    _Language(
        verbs="""falar, conversar, contatar, contactar, transferir, transfira-me, me passa, me passe,
            passe-me""",
        persons="""humano, humana, pessoa, alguem, atendente, agente, operador, operadora, funcionario,
            funcionaria, responsavel, gerente, sua equipe, atendimento""",
        alone="humano, atendente, pessoa real, operador",
        beside="por favor, quero, queria, gostaria de, preciso de, um, uma, com",
    ),
    _Language(
        verbs="praten, spreken, chatten, bellen, doorverbinden, verbind me, contact opnemen",
        persons="""mens, echte? (?:mens|persoon), persoon, iemand, medewerker, medewerkster, collega,
            klantenservice, klantendienst, baliemedewerker""",
        alone="mens, medewerker, echt persoon, klantenservice",
        beside="alsjeblieft, alstublieft, aub, ik wil, graag, een, met",
        before=r"(?:met\s+(?:\w+\s+){0,2})?",
    ),
)


@cache
def patterns() -> Sequence[re.Pattern[str]]:
    """What folded texts are searched for. Made when first needed: most functions never do."""
    return [re.compile(pattern) for language in _LANGUAGES for pattern in language.patterns()]


def _any(pieces: str) -> str:
    return f"(?:{'|'.join(' '.join(pieces.split()).split(', '))})"
