"""Real sentence pairs for the tests of this room: OLDI Seed (CC BY-SA 4.0), Ligurian, Friulian and Italian."""

LIGURIAN_ITALIAN = [
    (
        "St'evoluçion colturale a l'à un effetto profondo in scî modelli de communitæ.",
        "Questa evoluzione culturale ha un effetto profondo sui modelli di comunità.",
    ),
    (
        "Ste famigge de sovente piggian de l'influensa pe mezo da seu ricchessa ciù grande.",
        "Queste famiglie spesso acquisiscono potere grazie alla loro maggiore ricchezza.",
    ),
    (
        "Di livelli ciù erti de stratificaçion soçiale son comparii inte soçietæ agräie.",
        "Nelle società agrarie sono comparsi maggiori gradi di stratificazione sociale.",
    ),
    (
        "Sto chì o l'é produto ancon ciù tanti e importanti aumenti d'effiçiensa.",
        "Ciò produsse un ulteriore e drammatico aumento dell’efficienza.",
    ),
    (
        "I studdi de zöna à l'estranxeo in prattica no existeivan.",
        "Gli studi sulle aree straniere erano praticamente inesistenti.",
    ),
    (
        "Di atri programmi grendi e importanti son vegnui apreuvo à quelli do Ford.",
        "Altri grandi e importanti programmi seguirono quello di Ford.",
    ),
    (
        "Un medium o l'é quarcösa ch'o media a nòstra interaçion co-o mondo ò co-i atri umoen.",
        "Un medium è qualsiasi cosa che media la nostra interazione con il mondo o con gli altri esseri umani.",
    ),
    (
        "I media cadi en basci in parteçipaçIon e i media freidi en erti in parteçipaçion.",
        "I media caldi hanno una bassa partecipazione e quelli freddi un’alta partecipazione.",
    ),
    (
        "I Studdi in scî Media oua son mostræ inte tutto o UK.",
        "I Media Studies sono ora insegnati in tutto il Regno Unito.",
    ),
    (
        "E regioin cade e pressurizzæ drento da Luña porrieivan contegnî ancon de l’ægua liquida.",
        "Le regioni calde e pressurizzate dell’interno della Luna potrebbero ancora contenere acqua liquida.",
    ),
    (
        "COSPAR o fornisce anche de linie guidda pe-a proteçion do pianeta.",
        "Il COSPAR fornisce anche linee guida per la protezione del pianeta.",
    ),
    (
        "Sti fæti an dæto unna contribuçion a-a teoria da seleçion naturale de Darwin.",
        "Queste testimonianze hanno contribuito alla teoria della selezione naturale di Darwin.",
    ),
]
FRIULIAN_ITALIAN = [
    (
        "Cheste evoluzion culturâl e à un grant efiet rispiet ai schemis da comunitât.",
        "Questa evoluzione culturale ha un effetto profondo sui modelli di comunità.",
    ),
    (
        "Chest al à puartât a un grant aument ta eficience.",
        "Ciò produsse un ulteriore e drammatico aumento dell’efficienza.",
    ),
    (
        "I studis di aree foreste a jerin in sostance inesistents.",
        "Gli studi sulle aree straniere erano praticamente inesistenti.",
    ),
    (
        "Un mieç al è cualsisei robe che e pues mediâ la nestre interazion cul mont e i altris oms.",
        "Un medium è qualsiasi cosa che media la nostra interazione con il mondo o con gli altri esseri umani.",
    ),
    (
        "Il prin significât de peraule art al è « mût di fâ ».",
        "Il primo significato della parola arte è “modo di fare”.",
    ),
]
