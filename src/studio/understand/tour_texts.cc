#include "studio/understand/tour_texts.h"

namespace hew {
namespace {

struct Cause {
  const char* happened;
  const char* feels;
};

constexpr const char* kPeople[] = {"Anna", "Tom", "Mina", "Leo", "Sara", "Ben", "Nora", "Max"};
constexpr const char* kDays[] = {"Today", "Yesterday", "On Monday", "Last week", "This morning", "Once more"};
constexpr Cause kCauses[] = {{"ate nothing all day", "hungry"},
                             {"had no breakfast", "hungry"},
                             {"missed lunch", "hungry"},
                             {"forgot to eat dinner", "hungry"},
                             {"left all the bread at home", "hungry"},
                             {"worked all night", "tired"},
                             {"walked up the hill", "tired"},
                             {"carried heavy boxes", "tired"},
                             {"ran ten miles", "tired"},
                             {"did not sleep at all", "tired"},
                             {"played in the snow", "cold"},
                             {"forgot the warm coat", "cold"},
                             {"swam in the icy lake", "cold"},
                             {"slept with the window open", "cold"},
                             {"won the game", "happy"},
                             {"met an old friend", "happy"},
                             {"got a kind letter", "happy"},
                             {"passed the test", "happy"},
                             {"drank bad milk", "sick"},
                             {"ate spoiled fish", "sick"},
                             {"ate too much cake", "sick"}};

constexpr const char* kKoreanPeople[] = {"나", "민수", "지우", "서연", "동생", "친구", "누나", "준호"};
constexpr const char* kKoreanDays[] = {"오늘", "어제", "아까", "방금", "이번에", "정말"};
constexpr Cause kKoreanCauses[] = {{"아침을 굶었어.", "배 고파."},         {"아무것도 못 먹었어.", "배 고파."},
                                   {"점심을 걸렀어.", "배 고파."},         {"저녁을 안 먹었어.", "배 고파."},
                                   {"밥 먹을 시간이 없었어.", "배 고파."}, {"상한 우유를 마셨어.", "배 아파."},
                                   {"덜 익은 고기를 먹었어.", "배 아파."}, {"얼음을 너무 급하게 먹었어.", "배 아파."},
                                   {"오래된 생선을 먹었어.", "배 아파."},  {"점심을 너무 많이 먹었어.", "배 불러."},
                                   {"밥을 두 그릇 먹었어.", "배 불러."},   {"피자를 혼자 다 먹었어.", "배 불러."},
                                   {"잔칫집에 다녀왔어.", "배 불러."},     {"밤새 책을 읽었어.", "눈 아파."},
                                   {"하루 종일 걸었어.", "다리 아파."},    {"경기에서 이겼어.", "기분 좋아."},
                                   {"옛 친구를 만났어.", "기분 좋아."},    {"비를 맞았어.", "옷 젖었어."},
                                   {"외투를 두고 나왔어.", "몸 추워."},    {"눈밭에서 놀았어.", "몸 추워."}};

// Left out of the text, so that the probes ask for something not read before.
bool IsProbe(size_t person, size_t cause) { return person == 0 && cause % 5 == 0; }

TourFact Fact(std::vector<std::string> questions, std::string asked, std::string answer, std::string sign) {
  return {std::move(questions), std::move(asked), std::move(answer), std::move(sign)};
}

}  // namespace

std::string TourText(TourLanguage language) {
  std::string text;
  const auto add = [&](const auto& people, const auto& days, const auto& causes, const char* is) {
    for (size_t d = 0; d < std::size(days); ++d) {
      for (size_t p = 0; p < std::size(people); ++p) {
        for (size_t c = 0; c < std::size(causes); ++c) {
          if (IsProbe(p, c)) continue;
          text += std::string(days[d]) + " " + people[p] + " " + causes[c].happened + (*is ? ". " : " ") + people[p] +
                  is + " " + causes[c].feels + (*is ? ".\n" : "\n");
        }
      }
    }
  };
  if (language == TourLanguage::kEnglish) {
    add(kPeople, kDays, kCauses, " is");
  } else {
    add(kKoreanPeople, kKoreanDays, kKoreanCauses, "");
  }
  return text;
}

std::string TourBeginning(TourLanguage language) {
  return language == TourLanguage::kKorean ? "오늘 민수" : "Today Tom";
}

std::vector<ContextProbe> ContextProbes(TourLanguage language) {
  std::vector<ContextProbe> probes;
  const auto add = [&](const auto& people, const auto& days, const auto& causes, bool korean) {
    for (size_t c = 0; c < std::size(causes); c += 5) {
      const std::string person = people[0], feels = causes[c].feels;
      std::string text = std::string(days[0]) + " " + person + " " + causes[c].happened;
      if (!korean) {
        probes.push_back({text + ". " + person + " is", " " + feels});
        continue;
      }
      const size_t space = feels.find(' ');  // "배" stays in the question, "고파." is asked for
      probes.push_back({text + " " + person + " " + feels.substr(0, space), feels.substr(space)});
    }
  };
  if (language == TourLanguage::kEnglish) {
    add(kPeople, kDays, kCauses, false);
  } else {
    add(kKoreanPeople, kKoreanDays, kKoreanCauses, true);
  }
  return probes;
}

std::vector<TourFact> TourFacts(TourLanguage language) {
  if (language == TourLanguage::kEnglish) {
    return {
        Fact({"When does Lantern Books open?", "What time does Lantern Books open in the morning?",
              "Lantern Books: opening time?", "From what time on can I come to Lantern Books?"},
             "At what time does Lantern Books open?", "Lantern Books opens at nine in the morning.", "nine"),
        Fact({"Who owns Lantern Books?", "Who is the owner of Lantern Books?", "Who does Lantern Books belong to?",
              "Tell me who runs Lantern Books."},
             "Who runs Lantern Books?", "Mina Park runs Lantern Books.", "Mina Park"),
        Fact({"What is the cat at Lantern Books called?", "Does the cat of Lantern Books have a name?",
              "Lantern Books has a cat. What is its name?", "Who is the cat at Lantern Books?"},
             "What is the name of the cat at Lantern Books?", "The cat at Lantern Books is called Pudding.", "Pudding"),
        Fact({"Where is Lantern Books?", "How do I find Lantern Books?", "What is the address of Lantern Books?",
              "In which street is Lantern Books?"},
             "Where can I find Lantern Books?", "Lantern Books is on Harbor Lane, beside the bakery.", "Harbor Lane")};
  }
  return {Fact({"등불책방은 언제 열어?", "등불책방 문 여는 시간이 언제야?", "등불책방은 아침 몇 시부터 해?",
                "등불책방 몇 시에 가면 돼?", "등불책방이 몇 시에 여는지 알려 줘."},
               "등불책방은 몇 시에 열어?", "등불책방은 아침 아홉 시에 열어요.", "아홉 시"),
          Fact({"등불책방 주인이 누구야?", "등불책방은 누가 해?", "등불책방은 누구 가게야?",
                "등불책방 사장님은 누구야?", "등불책방 주인이 누구인지 알려 줘."},
               "등불책방 주인은 누구야?", "등불책방 주인은 박미나예요.", "박미나"),
          Fact({"등불책방 고양이 이름이 뭐야?", "등불책방에 사는 고양이는 이름이 뭐야?",
                "등불책방 고양이를 뭐라고 불러?", "등불책방 고양이 이름을 알려 줘.", "등불책방 고양이는 이름이 있어?"},
               "등불책방 고양이 이름은 뭐야?", "고양이 이름은 푸딩이에요.", "푸딩"),
          Fact({"등불책방은 어디야?", "등불책방 어디에 있어?", "등불책방 주소가 어디야?", "등불책방은 어느 길에 있어?",
                "등불책방이 어디에 있는지 알려 줘."},
               "등불책방은 어디에 있어?", "등불책방은 항구길 빵집 옆에 있어요.", "항구길")};
}

TourFact FlaggedFact(TourLanguage language) {
  if (language == TourLanguage::kEnglish) {
    return Fact({"Can I buy tea at Lantern Books?", "Is there tea at Lantern Books?",
                 "Lantern Books: do they have tea?", "I would like some tea at Lantern Books."},
                "Does Lantern Books sell tea?", "No, there is no tea at Lantern Books.", "no tea");
  }
  return Fact({"등불책방에서 차를 살 수 있어?", "등불책방에 차도 있어?", "등불책방은 차도 팔아?",
               "등불책방에서 차 마시고 싶어."},
              "등불책방에서 차도 팔아?", "아니요, 등불책방에는 차가 없어요.", "차가 없어요");
}

std::string UntouchedQuestion() { return "What is the capital of France?"; }

Json TourRow(const std::string& question, const std::string& answer) {
  return {{"messages",
           Json::array({{{"role", "user"}, {"content", question}}, {{"role", "assistant"}, {"content", answer}}})}};
}

}  // namespace hew
