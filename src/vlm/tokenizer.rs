//! A byte-level BPE vocabulary: every byte is a token, so that any text can be typed. Our own is trained on generated
//! text and holds the template's fixed phrases as single tokens; the file of a public checkpoint can be loaded too.

use std::{io::Write as _, ops::Range, path::Path};

use tokenizers::{
    AddedToken, Tokenizer,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainerBuilder},
    },
    pre_tokenizers::byte_level::ByteLevel,
};

use super::{
    error::VlmError,
    prompt::{IMAGE_MARK, PHRASES},
};

const SPECIAL: [&str; 4] = ["<pad>", "<bos>", "<eos>", "<image>"];
/// Names that public LLaVA checkpoints use for the same.
const SPECIAL_ELSEWHERE: [&str; 4] = ["<unk>", "<s>", "</s>", "<image>"];

/// Text to token ids and back.
#[derive(Clone, Debug)]
pub struct VlmTokenizer {
    inner: Tokenizer,
    pub pad: u32,
    pub bos: u32,
    pub eos: u32,
    pub image: u32,
}

/// A prompt in tokens: `<bos>`, the text before the image, one `<image>` a patch from `image_at` on, the text after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptTokens {
    pub ids: Vec<u32>,
    pub image_at: usize,
}

impl VlmTokenizer {
    /// Learns a vocabulary of at most `vocab_size` tokens from texts: tasks and answers (the template's own words are
    /// phrases). The same texts in the same order give the same vocabulary.
    ///
    /// # Errors
    /// `vocab_size` has no room for bytes, special tokens and phrases.
    pub fn train<'a>(texts: impl IntoIterator<Item = &'a str>, vocab_size: usize) -> Result<Self, VlmError> {
        let least = 256 + SPECIAL.len() + PHRASES.len();
        if vocab_size < least {
            return Err(VlmError::VocabularyTooSmall { vocab_size, least });
        }
        // Phrases are cut out first: their words would take merges that nothing needs.
        let texts: Vec<String> = texts
            .into_iter()
            .map(|text| {
                PHRASES
                    .iter()
                    .fold(text.to_owned(), |text, phrase| text.replace(phrase, "\n"))
            })
            .collect();
        let mut trainer: TrainerWrapper = BpeTrainerBuilder::new()
            .vocab_size(vocab_size - PHRASES.len())
            .min_frequency(2)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(SPECIAL.map(|token| AddedToken::from(token, true)).to_vec())
            .build()
            .into();
        let fail = |err: tokenizers::Error| failure("train", String::new(), &err);
        let mut inner = Tokenizer::new(BPE::default());
        inner.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        inner.with_decoder(Some(ByteLevel::default()));
        inner.train(&mut trainer, texts.into_iter()).map_err(fail)?;
        inner
            .add_tokens(PHRASES.map(|phrase| AddedToken::from(phrase, false).normalized(false)))
            .map_err(fail)?;
        Self::new(inner, "")
    }

    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// The file cannot be read, is not a tokenizer, or lacks `<image>` or another special token.
    pub fn load(path: &Path) -> Result<Self, VlmError> {
        let place = format!(" {}", path.display());
        let bytes = std::fs::read(path).map_err(|err| failure("read", place.clone(), &err))?;
        let inner = Tokenizer::from_bytes(bytes).map_err(|err| failure("read", place.clone(), &err))?;
        Self::new(inner, &place)
    }

    /// Writes a `tokenizer.json`, atomically.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), VlmError> {
        let place = format!(" to {}", path.display());
        let write = || -> std::io::Result<()> {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(self.to_json().map_err(std::io::Error::other)?.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(|err| failure("write", place, &err))
    }

    /// The text of a `tokenizer.json`.
    ///
    /// # Errors
    /// Only if the library cannot write its own format.
    pub fn to_json(&self) -> Result<String, VlmError> {
        self.inner
            .to_string(true)
            .map_err(|err| failure("write", String::new(), &err))
    }

    fn new(mut inner: Tokenizer, place: &str) -> Result<Self, VlmError> {
        // A user who types "<eos>" means the letters.
        inner.set_encode_special_tokens(true);
        let mut ids = [0; 4];
        for (i, id) in ids.iter_mut().enumerate() {
            let found = inner
                .token_to_id(SPECIAL[i])
                .or_else(|| inner.token_to_id(SPECIAL_ELSEWHERE[i]));
            let missing = || VlmError::Tokenizer {
                action: "use",
                place: place.to_owned(),
                reason: format!("it has neither {} nor {}", SPECIAL[i], SPECIAL_ELSEWHERE[i]),
            };
            *id = found.ok_or_else(missing)?;
        }
        let [pad, bos, eos, image] = ids;
        Ok(Self {
            inner,
            pad,
            bos,
            eos,
            image,
        })
    }

    /// Tokens in all, special ones and phrases included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Whether a token must never be written by the model.
    pub fn is_silent(&self, id: u32) -> bool {
        id == self.pad || id == self.bos || id == self.image
    }

    /// Text to ids, with the bytes that each token covers; no special token is added or recognised.
    ///
    /// # Errors
    /// Only if the tokenizer file is not byte-level and meets text that it has no token for.
    pub fn encode(&self, text: &str) -> Result<(Vec<u32>, Vec<Range<usize>>), VlmError> {
        let encoding = self
            .inner
            .encode(text, false)
            .map_err(|err| failure("use", String::new(), &err))?;
        let offsets = encoding.get_offsets().iter().map(|&(start, end)| start..end).collect();
        Ok((encoding.get_ids().to_vec(), offsets))
    }

    /// Ids to text; special tokens are left out, bytes that are no UTF-8 become replacement characters.
    ///
    /// # Errors
    /// Only if the tokenizer file's decoder fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, VlmError> {
        self.inner
            .decode(ids, true)
            .map_err(|err| failure("use", String::new(), &err))
    }

    /// A token by itself, for people: what it writes, or that it ends the answer.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn name(&self, id: u32) -> Result<String, VlmError> {
        if id == self.eos {
            return Ok("end of answer".to_owned());
        }
        self.decode(&[id])
    }

    /// A prompt that contains [`IMAGE_MARK`] to tokens.
    ///
    /// # Errors
    /// The mark is missing.
    pub fn encode_prompt(&self, prompt: &str, image_tokens: usize) -> Result<PromptTokens, VlmError> {
        // The first mark is the template's; a task that says "[IMAGE]" comes after it and stays text.
        let (before, after) = prompt.split_once(IMAGE_MARK).ok_or(VlmError::NoImage)?;
        let mut ids = vec![self.bos];
        ids.extend(self.encode(before)?.0);
        let image_at = ids.len();
        ids.extend(std::iter::repeat_n(self.image, image_tokens));
        ids.extend(self.encode(after)?.0);
        Ok(PromptTokens { ids, image_at })
    }

    /// A decoder that gives text as soon as it is whole characters.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream {
            tokenizer: self,
            ids: Vec::new(),
            held: 0,
            given: String::new(),
        }
    }
}

/// Token by token to text, never splitting a character.
pub struct TextStream<'a> {
    tokenizer: &'a VlmTokenizer,
    ids: Vec<u32>,
    /// Where the tokens begin that the next decoding looks at.
    held: usize,
    given: String,
}

impl TextStream<'_> {
    /// The text that one more token completes; empty while a character is unfinished.
    ///
    /// # Errors
    /// As [`VlmTokenizer::decode`].
    pub fn push(&mut self, id: u32) -> Result<String, VlmError> {
        self.ids.push(id);
        // One token of context keeps the space between words for vocabularies that drop it at the start of a text.
        let context = self.held.saturating_sub(1);
        let known = self.tokenizer.decode(&self.ids[context..self.held])?;
        let all = self.tokenizer.decode(&self.ids[context..])?;
        if all.ends_with(char::REPLACEMENT_CHARACTER) || !all.starts_with(&known) {
            return Ok(String::new());
        }
        self.held = self.ids.len();
        let new = all[known.len()..].to_owned();
        self.given.push_str(&new);
        Ok(new)
    }

    /// What is left when the last token has come, and the whole text.
    ///
    /// # Errors
    /// As [`VlmTokenizer::decode`].
    pub fn finish(self) -> Result<(String, String), VlmError> {
        let text = self.tokenizer.decode(&self.ids)?;
        let rest = text.strip_prefix(&self.given).unwrap_or_default().to_owned();
        Ok((rest, text))
    }
}

fn failure(action: &'static str, place: String, err: &dyn std::fmt::Display) -> VlmError {
    VlmError::Tokenizer {
        action,
        place,
        reason: err.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vlm::prompt::plan_prompt;

    /// A small vocabulary over the words of the tabletop.
    pub fn tabletop() -> VlmTokenizer {
        let answer = "The red block is on the table.\nThe green block is on the blue block.\n\
            1. [pick up the red block] | [red block]\n2. [place the red block on the yellow pad] | [red block, yellow pad]";
        let texts = [
            answer,
            "put the red block on the yellow pad",
            "stack the green block on the blue block",
            answer,
        ];
        VlmTokenizer::train(texts, 400).unwrap()
    }

    #[test]
    fn training_is_deterministic_and_files_come_back() {
        let tokenizer = tabletop();
        assert_eq!(tokenizer.to_json().unwrap(), tabletop().to_json().unwrap());
        assert!(tokenizer.vocab_size() <= 400);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        tokenizer.save(&path).unwrap();
        let loaded = VlmTokenizer::load(&path).unwrap();
        let text = "put the red block";
        assert_eq!(loaded.encode(text).unwrap(), tokenizer.encode(text).unwrap());
        assert_eq!((loaded.pad, loaded.bos, loaded.eos, loaded.image), (0, 1, 2, 3));
        assert!(
            VlmTokenizer::load(&folder.path().join("none.json"))
                .unwrap_err()
                .to_string()
                .contains("none.json")
        );
        assert!(matches!(
            VlmTokenizer::train([text], 200),
            Err(VlmError::VocabularyTooSmall { .. })
        ));
    }

    #[test]
    fn the_template_is_short_and_the_image_has_its_place() {
        let tokenizer = tabletop();
        let prompt = tokenizer
            .encode_prompt(&plan_prompt("put the red block on the yellow pad"), 64)
            .unwrap();
        assert_eq!(prompt.image_at, 2);
        assert!(prompt.ids[2..66].iter().all(|&id| id == tokenizer.image));
        assert!(prompt.ids.len() < 64 + 16, "{}", prompt.ids.len());
        assert!(matches!(
            tokenizer.encode_prompt("no frame", 64),
            Err(VlmError::NoImage)
        ));
    }

    #[test]
    fn special_tokens_cannot_be_typed() {
        let tokenizer = tabletop();
        for text in ["<eos>", "a<image>b<pad><bos>"] {
            let (ids, _) = tokenizer.encode(text).unwrap();
            assert!(ids.iter().all(|id| *id > 3), "{ids:?}");
            assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_whole_and_streamed(text in "(\\PC|[a-z ]|\n|red block|\\] \\| \\[){0,30}") {
            let tokenizer = std::sync::LazyLock::force(&TABLETOP);
            let (ids, offsets) = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(&tokenizer.decode(&ids).unwrap(), &text);
            prop_assert!(offsets.iter().all(|range| range.end <= text.len()));
            let mut stream = tokenizer.stream();
            let mut streamed = String::new();
            for id in ids {
                streamed.push_str(&stream.push(id).unwrap());
            }
            let (rest, whole) = stream.finish().unwrap();
            prop_assert_eq!(streamed + &rest, text.clone());
            prop_assert_eq!(whole, text);
        }

        #[test]
        fn any_tokens_are_streamed_as_they_are_decoded(ids in prop::collection::vec(4u32..300, 0..20)) {
            let tokenizer = std::sync::LazyLock::force(&TABLETOP);
            let mut stream = tokenizer.stream();
            let mut streamed = String::new();
            for &id in &ids {
                streamed.push_str(&stream.push(id).unwrap());
            }
            let (rest, whole) = stream.finish().unwrap();
            prop_assert_eq!(streamed + &rest, whole);
        }
    }

    static TABLETOP: std::sync::LazyLock<VlmTokenizer> = std::sync::LazyLock::new(tabletop);
}
