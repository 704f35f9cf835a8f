// Words of the page in English and Korean. `Words` is the type of the English ones, so a missing Korean one is an error.
import { createContext, useContext } from "react";

import { en } from "./words_en";
import { ko } from "./words_ko";

export type Words = typeof en;
export type Language = "en" | "ko";
const kWords: Record<Language, Words> = { en, ko };

export function wordsOf(language: Language): Words {
  return kWords[language];
}

export function firstLanguage(): Language {
  const kept = localStorage.getItem("hew.language");
  if (kept === "en" || kept === "ko") return kept;
  return navigator.languages.some((l) => l.toLowerCase().startsWith("ko")) ? "ko" : "en";
}

export const LanguageContext = createContext<Language>("en");
export function useWords(): Words {
  return kWords[useContext(LanguageContext)];
}
