import { pick, type Random, times } from "./random.ts";

/** Subjects, verbs and objects of a language, its sentence ending and its word separator. */
interface Language {
  readonly subjects: readonly string[];
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
  readonly end: string;
  readonly space: string;
}

const words = (text: string) => text.split("|");

/** Simple sentences in languages that an English model has rarely seen. */
const languages: Readonly<Record<string, Language>> = {
  german: {
    subjects: words("Der alte Müller|Meine Schwester|Ein kleiner Vogel|Die Köchin|Unser Nachbar"),
    verbs: words("kauft morgen|verliert ständig|öffnet vorsichtig|zeichnet gern|übersieht nie"),
    objects: words("das größte Fenster|einen Brief aus Köln|drei rote Äpfel|die Brücke am Fluss|seinen Schlüssel"),
    ...{ end: ". ", space: " " },
  },
  french: {
    subjects: words("Le vieux pêcheur|Ma voisine|Un élève distrait|La reine|Notre médecin"),
    verbs: words("achète souvent|n'oublie jamais|dessine|cherche encore|répare déjà"),
    objects: words("la fenêtre brisée|un gâteau aux pommes|trois lettres d'été|le pont près du château|sa clé"),
    ...{ end: ". ", space: " " },
  },
  spanish: {
    subjects: words("El panadero|Mi abuela|Una niña curiosa|El perro del vecino|La profesora"),
    verbs: words("compra mañana|siempre pierde|abre despacio|pinta|nunca encuentra"),
    objects: words("la ventana más grande|una carta de Sevilla|tres manzanas rojas|el puente del río|su llave"),
    ...{ end: ". ", space: " " },
  },
  polish: {
    subjects: words("Stary młynarz|Moja siostra|Mały ptak|Kucharka|Nasz sąsiad"),
    verbs: words("jutro kupi|ciągle gubi|ostrożnie otwiera|chętnie rysuje|zawsze widzi"),
    objects: words("największe okno|list z Krakowa|trzy czerwone jabłka|most nad rzeką|swój klucz"),
    ...{ end: ". ", space: " " },
  },
  russian: {
    subjects: words("Старый мельник|Моя сестра|Маленькая птица|Повар|Наш сосед"),
    verbs: words("завтра купит|часто теряет|осторожно открывает|рисует|никогда не видит"),
    objects: words("большое окно|письмо из Казани|три красных яблока|мост через реку|свой ключ"),
    ...{ end: ". ", space: " " },
  },
  greek: {
    subjects: words("Ο γείτονας|Η αδελφή μου|Ένα μικρό πουλί|Η μαγείρισσα"),
    verbs: words("αγοράζει αύριο|χάνει συχνά|ανοίγει προσεκτικά|ζωγραφίζει"),
    objects: words("το μεγάλο παράθυρο|ένα γράμμα|τρία κόκκινα μήλα|τη γέφυρα"),
    ...{ end: ". ", space: " " },
  },
  arabic: {
    subjects: words("الجار|أختي|طائر صغير|المعلمة"),
    verbs: words("يشتري|يفتح|يرسم|يجد"),
    objects: words("النافذة الكبيرة|رسالة قديمة|ثلاث تفاحات|الجسر"),
    ...{ end: ". ", space: " " },
  },
  hindi: {
    subjects: words("पड़ोसी|मेरी बहन|एक छोटा पक्षी|शिक्षक"),
    verbs: words("कल|अक्सर|धीरे से|खुशी से"),
    objects: words("बड़ी खिड़की खोलता है|पत्र लिखता है|तीन सेब खाता है|पुल देखता है"),
    ...{ end: "। ", space: " " },
  },
  chinese: {
    subjects: words("老磨坊主|我的姐姐|一只小鸟|厨师|我们的邻居"),
    verbs: words("明天买|常常丢失|小心地打开|喜欢画|从来没看见"),
    objects: words("最大的窗户|一封来自北京的信|三个红苹果|河上的桥|他的钥匙"),
    ...{ end: "。", space: "" },
  },
  japanese: {
    subjects: words("年老いた粉屋は|私の妹は|小さな鳥が|料理人は"),
    verbs: words("大きな窓を|京都からの手紙を|三つの赤いりんごを|川の橋を"),
    objects: words("明日買います|よくなくします|静かに開けます|描いています"),
    ...{ end: "。", space: "" },
  },
};

/** Returns random sentences of a random language. */
export function foreignText(random: Random): string {
  const { subjects, verbs, objects, end, space } = pick(random, Object.values(languages));
  const sentence = () => [subjects, verbs, objects].map((list) => pick(random, list)).join(space) + end;
  return times(30, sentence).join("");
}
