//! What a stage learns from, made by a thread of its own while the step before computes.

use std::thread::JoinHandle;

use super::TrainError;

/// Pools by their numbers; each is a function of its number alone, so that a run that is taken up makes the same ones.
pub(super) struct Ahead<T> {
    /// What is made, in the plural.
    what: &'static str,
    at_hand: Option<(usize, T)>,
    next: Option<JoinHandle<Result<(usize, T), TrainError>>>,
}

impl<T: Send + 'static> Ahead<T> {
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            at_hand: None,
            next: None,
        }
    }

    /// The pool of that number; the one after it is being made from now on. `maker` gives what makes them.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn fetch<M>(&mut self, number: usize, maker: impl Fn() -> M) -> Result<&mut T, TrainError>
    where
        M: FnOnce(usize) -> Result<T, TrainError> + Send + 'static,
    {
        let pool = match self.at_hand.take().filter(|(have, _)| *have == number) {
            Some((_, pool)) => pool,
            None => {
                let pool = match self.waited_for(number)? {
                    Some(pool) => pool,
                    None => maker()(number)?,
                };
                let (make, what) = (maker(), self.what);
                let next = std::thread::Builder::new()
                    .name(what.into())
                    .spawn(move || Ok((number + 1, make(number + 1)?)))
                    .map_err(|err| TrainError::Data(format!("Could not start a thread for {what}: {err}.")))?;
                self.next = Some(next);
                pool
            }
        };
        Ok(&mut self.at_hand.insert((number, pool)).1)
    }

    /// Another run has other pools.
    pub fn forget(&mut self) {
        (self.at_hand, self.next) = (None, None);
    }

    /// What the thread makes, if it is that one.
    fn waited_for(&mut self, number: usize) -> Result<Option<T>, TrainError> {
        let Some(next) = self.next.take() else {
            return Ok(None);
        };
        let made = next
            .join()
            .unwrap_or_else(|_| Err(TrainError::Data(format!("Making {} failed with a panic.", self.what))));
        made.map(|(made, pool)| (made == number).then_some(pool))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_come_by_their_numbers_in_any_order_and_what_fails_is_said() {
        let mut ahead = Ahead::new("numbers");
        let squares = || |number: usize| Ok(vec![number * number]);
        for number in [0, 0, 1, 2, 7, 8, 3] {
            assert_eq!(ahead.fetch(number, squares).unwrap(), &vec![number * number]);
        }
        // What was taken out is gone until it is made anew.
        ahead.fetch(3, squares).unwrap().clear();
        assert!(ahead.fetch(3, squares).unwrap().is_empty());
        ahead.forget();
        assert_eq!(ahead.fetch(3, squares).unwrap(), &vec![9]);
        let fails = || |number: usize| if number == 5 { panic!("five") } else { Ok(vec![number]) };
        ahead.forget();
        assert!(ahead.fetch(4, fails).is_ok());
        let err = ahead.fetch(5, fails).unwrap_err().to_string();
        assert_eq!(err, "Making numbers failed with a panic.");
    }
}
